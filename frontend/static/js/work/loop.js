// One output after the other: the sheet on the screen, the one fetched ahead, and what was submitted last.
// What is shown is held first; the server is told behind it.

import { isEmpty, isSame } from "./draft.js";
import { Refused, SignedOut, Unreachable } from "./server.js";

export class Loop {
  shown = null;
  held = null; // the sheet fetched ahead
  why = ""; // why there is nothing to fetch ahead
  last = null; // what was submitted last and can be taken back: { token, entry, revision, until }
  #asking = Promise.resolve();
  #isAsking = false;

  // `page` shows things and says what is marked: show(sheet), prepare(sheet), wait(), nothing(why), take(), putAside(), isMarked(),
  // submitted(judgment), said(last), counted(by), refused(entry), choose(question), failed(message).
  constructor({ server, outbox, page }) {
    Object.assign(this, { server, outbox, page });
    outbox.addEventListener("delivered", ({ detail }) => this.#delivered(detail));
    outbox.addEventListener("refused", ({ detail }) => this.#refused(detail.entry));
    addEventListener("online", () => this.askNext());
  }

  // Sheets of this page whose leases are held, the undelivered ones too.
  get tokens() {
    return [this.shown?.lease, this.held?.lease, ...this.outbox.tokens].filter(Boolean);
  }

  begin({ sheet, undo }) {
    if (undo) this.#remember({ token: undo.lease, ...storedAs(undo) });
    // Judged already, and on its way since an earlier page.
    if (sheet && this.outbox.find(sheet.lease)) this.#advance();
    else if (sheet) this.#show(sheet);
    else this.page.nothing(this.why);
    this.outbox.run();
    if (!this.outbox.waiting.length) this.askNext();
  }

  submit() {
    const sheet = this.shown;
    const { marked, verdict, marks, draft } = this.page.take();
    const { key, revision, version } = sheet;
    const body = { verdict, violations: marked.violations, comment: marked.comment, key, revision, version };
    const entry = { token: sheet.lease, sheet: { ...sheet, marked, refusal: undefined, isUnsaved: true }, body, marks };
    entry.ready = draft.end().then(() => (body.version = entry.sheet.version = sheet.version));
    this.outbox.put(entry);
    this.#advance();
    this.#remember({ token: sheet.lease, entry });
    this.page.counted(1);
    this.page.submitted(body);
  }

  async skip(reason) {
    const sheet = this.shown;
    const { marked, draft } = this.page.take();
    const ended = draft.end();
    this.#advance();
    try {
      await ended;
      const answer = await this.#ask("skip", { reason, besides: this.tokens }, sheet.lease);
      this.#offer(answer);
    } catch (error) {
      this.#back({ ...sheet, marked, isUnsaved: true }, { isHeldBack: this.page.isMarked() });
      this.page.failed(`Not skipped: ${reasonOf(error)}`);
    }
  }

  // Takes the last submit back. Says whether there was one.
  async undo() {
    const token = this.last?.token;
    if (!token) return false;
    await this.outbox.settled();
    const { last } = this;
    if (last?.token !== token) return true; // refused meanwhile, and shown again for that
    const waiting = last.entry && this.outbox.find(last.token);
    this.#remember(null);
    try {
      if (waiting) this.#takeBack(waiting);
      else this.#reopen(last, await this.#ask("undo", { revision: last.revision }, last.token));
    } catch (error) {
      this.page.failed(`Not undone: ${reasonOf(error)}`);
      if (error instanceof Unreachable) this.#remember(last);
    }
    return true;
  }

  // It is too late to take the last submit back.
  forgetLast() {
    this.#remember(null);
  }

  // Fetches the next sheet ahead, unless there is one.
  askNext() {
    if (this.held || this.#isAsking || this.outbox.waiting.length) return;
    this.#isAsking = true;
    this.#ask("next", () => ({ besides: this.tokens }))
      .then((answer) => this.#offer(answer))
      .catch((error) => this.shown || this.page.failed(reasonOf(error)))
      .finally(() => (this.#isAsking = false));
  }

  // A lease that ran out meanwhile: the sheet fetched ahead is forgotten, an unmarked one on the screen is replaced.
  lost(token) {
    if (this.held?.lease === token) this.held = null;
    else if (this.shown?.lease === token && !this.page.isMarked()) {
      this.page.take().draft.end();
      this.#advance();
    }
    this.askNext();
  }

  release(sheet) {
    this.server.post("held", { renew: [], release: [{ lease: sheet.lease, until: sheet.until }] }).catch(() => {
      // It runs out by itself.
    });
  }

  // Requests about leases go one after the other, so that each can name what is held.
  #ask(door, body, token) {
    const asked = this.#asking.then(() => this.server.post(door, typeof body === "function" ? body() : body, { token }));
    this.#asking = asked.catch(() => {});
    return asked;
  }

  // What the outbox waits for before it names the leases held.
  async besides(entry) {
    await this.#asking;
    return this.tokens.filter((token) => token !== entry.token);
  }

  #advance() {
    const next = this.held;
    this.held = null;
    this.shown = null;
    if (next) this.#show(next);
    else this.page.wait();
  }

  #show(sheet, marks) {
    this.shown = sheet;
    this.page.show(sheet, marks);
  }

  // What a door says comes next: shown when nothing is, else held.
  #offer({ sheet, why }) {
    this.why = why;
    const isNew = sheet && !this.tokens.includes(sheet.lease);
    if (isNew && this.shown && this.held) this.release(sheet);
    else if (isNew && this.shown) this.#hold(sheet);
    else if (isNew) {
      this.#show(sheet);
      this.askNext();
    } else if (!this.shown && !this.outbox.waiting.length) this.page.nothing(why);
  }

  #hold(sheet) {
    this.held = sheet;
    this.page.prepare(sheet);
  }

  #delivered({ entry, answer }) {
    if (this.last?.entry === entry) this.#remember({ ...this.last, ...storedAs(answer.saved) });
    this.#offer(answer);
  }

  #remember(last) {
    this.last = last;
    this.page.said(last);
  }

  #takeBack({ sheet, marks, wasSent, ...entry }) {
    this.page.counted(-1);
    this.outbox.drop(entry);
    // It may have arrived all the same: under the same key, what is changed now would be taken for a repetition.
    this.#back(wasSent ? { ...sheet, key: newKey() } : sheet, { marks });
  }

  #reopen({ entry }, { sheet }) {
    this.page.counted(-1);
    const marks = entry && isSame(entry.sheet.marked, sheet.marked) ? entry.marks : undefined;
    this.#back(sheet, { marks });
  }

  // Shows an earlier sheet again and holds the present one meanwhile, or the other way round.
  #back(sheet, { marks, isHeldBack = false } = {}) {
    if (this.shown && isHeldBack && !this.held) {
      this.held = sheet;
      return;
    }
    const present = this.shown && this.page.putAside();
    if (present && this.held) this.release(this.held);
    if (present) this.held = present;
    this.#show(sheet, marks);
  }

  async #refused(entry) {
    const { refusal, sheet } = entry;
    if (this.last?.entry === entry) this.#remember(null);
    if (refusal.status === 409) return this.#choose(entry);
    if (this.page.isMarked() || refusal.status !== 422) return this.page.refused(entry);
    this.goBackTo(entry);
  }

  goBackTo(entry) {
    const { refusal, sheet, marks } = entry;
    this.page.counted(-1);
    this.outbox.drop(entry);
    this.#back({ ...sheet, refusal }, { marks });
  }

  async #choose(entry) {
    const { refusal, sheet, body } = entry;
    const { kind, version, marked } = refusal;
    const seen = { version, revision: refusal.revision ?? body.revision };
    const isOwn = kind === "changed_elsewhere" && isSame(marked, sheet.marked);
    const mine = { ...sheet.marked, verdict: body.verdict };
    const choice = isOwn ? "mine" : await this.page.choose({ message: refusal.message, theirs: marked, mine, sheet });
    if (choice === "mine") {
      Object.assign(entry, { refusal: undefined, ready: null, body: { ...body, ...seen, force: true } });
      this.outbox.put(entry);
      if (!this.last) this.#remember({ token: entry.token, entry });
      return;
    }
    this.outbox.drop(entry);
    if (kind === "changed_elsewhere") this.#back({ ...sheet, marked, version, isUnsaved: false });
    else this.#offer({ sheet: null, why: this.why });
    if (!this.shown) this.askNext();
  }
}

// What a sheet holds that must not be given back: marks, or the right to change an earlier judgment.
export const isBlank = (sheet) => isEmpty(sheet.marked) && !sheet.revision;

const storedAs = ({ revision, verdict, undo_until }) => ({ revision, verdict, until: undo_until });

function reasonOf(error) {
  if (error instanceof Refused) return error.message;
  if (error instanceof SignedOut) return "you are signed out. Sign in again in another tab.";
  if (error instanceof Unreachable) return "the server cannot be reached.";
  throw error;
}

function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID(); // only where the page came over HTTPS or from this machine
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
