// Code points, as the server counts, to UTF-16 units, as the page counts, and back. Exact for every text.

export class Offsets {
  constructor(text) {
    this.pairs = []; // where surrogate pairs begin, in UTF-16 units
    for (let at = 0; at < text.length - 1; at++) {
      if (isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1))) this.pairs.push(at++);
    }
    this.units = text.length;
    this.points = text.length - this.pairs.length;
  }

  // A unit inside a pair counts as the pair's beginning.
  toPoints(unit) {
    const before = countBelow(this.pairs.length, (index) => this.pairs[index] + 1 < unit);
    const isInside = this.pairs[before] + 1 === unit;
    return unit - before - (isInside ? 1 : 0);
  }

  toUnits(point) {
    return point + countBelow(this.pairs.length, (index) => this.pairs[index] - index < point);
  }
}

// How many of the first `length` indexes satisfy `test`, which is true up to some index and false after it.
function countBelow(length, test) {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const isHigh = (unit) => unit >= 0xd800 && unit < 0xdc00;
const isLow = (unit) => unit >= 0xdc00 && unit < 0xe000;
