// Keeps leases while somebody looks at the page, and gives back what nobody has begun when it closes.

const LONGEST_PAUSE_MS = 4 * 60_000;
const SHORTEST_PAUSE_MS = 15_000;

export class Leases {
  #timer = 0;

  // `sheets()` are those held; `isFree(sheet)` says whether nothing is marked on one; `onLost(token)` that it ran out.
  constructor({ server, sheets, isFree, onLost }) {
    Object.assign(this, { server, sheets, isFree, onLost });
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.#timer) : this.#renew()));
    addEventListener("pagehide", () => this.#release());
    this.#later();
  }

  // Half of what is left of a lease, so that one lost request does no harm.
  #later() {
    const ends = this.sheets().map(({ until }) => (Date.parse(until) - Date.now()) / 2 || 0);
    const pause = Math.max(Math.min(...ends, LONGEST_PAUSE_MS), SHORTEST_PAUSE_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#renew(), pause);
  }

  async #renew() {
    const asked = this.sheets();
    if (asked.length && !document.hidden) {
      const tokens = asked.map(({ lease }) => lease);
      const { until } = await this.server.post("held", { renew: tokens, release: [] }).catch(() => ({}));
      for (const sheet of until ? asked : []) {
        if (until[sheet.lease]) sheet.until = until[sheet.lease];
        else if (this.sheets().includes(sheet)) this.onLost(sheet.lease);
      }
    }
    this.#later();
  }

  #release() {
    const release = this.sheets().filter(this.isFree).map(({ lease, until }) => ({ lease, until }));
    if (release.length) this.server.post("held", { renew: [], release }, { keepalive: true }).catch(() => {});
  }
}
