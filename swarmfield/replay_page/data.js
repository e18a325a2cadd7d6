"use strict";

// The episode: unpacks what encoding.py packed into typed arrays, instant by instant.

const NO_GROUP = 255;

class Problem extends Error {}

async function loadEpisode() {
  if (typeof DecompressionStream === "undefined") {
    throw new Problem(
      "This browser is too old to unpack the recording; use Chrome or Edge 80, Firefox 113, " +
        "Safari 16.4, or newer.");
  }
  const header = readHeader();
  let bytes;
  try {
    bytes = await inflate(document.getElementById("recording").textContent);
  } catch {
    throw new Problem("The recording inside this page is damaged or cut off; write it again.");
  }
  if (bytes.length !== header.bytes) {
    throw new Problem(
      `The recording inside this page has ${bytes.length} bytes instead of ${header.bytes}; ` +
        "write it again.");
  }
  return new Episode(header, bytes);
}

function readHeader() {
  try {
    return JSON.parse(document.getElementById("header").textContent);
  } catch {
    throw new Problem("This page is cut off: its recording is missing; write it again.");
  }
}

async function inflate(base64) {
  const text = atob(base64);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

class Episode {
  constructor(header, bytes) {
    Object.assign(this, header);
    const { bodies, instants, teams } = header;
    let start = 0;
    const take = (count) => bytes.subarray(start, (start += count));
    this.teamOf = take(bodies);
    this.size = take(bodies);
    this.x = this.sixteen(take(bodies * instants), take(bodies * instants));
    this.y = this.sixteen(take(bodies * instants), take(bodies * instants));
    this.level = this.eight(take(bodies * instants));
    this.alive = this.toggles(take(Math.ceil((bodies * instants) / 8)));
    this.group = header.grouped ? this.eight(take(bodies * instants)) : null;
    const [width, height] = header.extent;
    this.wallBits = header.walls ? take(Math.ceil((width * height) / 8)) : null;
    // Copied, because a view of 32-bit numbers must start at a multiple of four bytes.
    this.reward = new Float32Array(take(4 * instants * teams.length).slice().buffer);
    this.entryOf = this.readLegend();
    this.aliveCount = this.countAlive();
    this.total = this.addUp();
    // Where all live from first to last, as particles of a crowd, life is not worth a word.
    this.mortal = this.alive.includes(0);
  }

  // Every reader turns [bodies, instants] differences into [instants, bodies] values.
  sixteen(low, high) {
    const { bodies, instants } = this;
    const values = new Uint16Array(bodies * instants);
    for (let body = 0, i = 0; body < bodies; body++) {
      for (let instant = 0, value = 0; instant < instants; instant++, i++) {
        value += low[i] | (high[i] << 8);
        values[instant * bodies + body] = value;
      }
    }
    return values;
  }

  eight(differences) {
    const { bodies, instants } = this;
    const values = new Uint8Array(bodies * instants);
    for (let body = 0, i = 0; body < bodies; body++) {
      for (let instant = 0, value = 0; instant < instants; instant++, i++) {
        value += differences[i];
        values[instant * bodies + body] = value;
      }
    }
    return values;
  }

  toggles(bits) {
    const { bodies, instants } = this;
    const values = new Uint8Array(bodies * instants);
    for (let body = 0, i = 0; body < bodies; body++) {
      for (let instant = 0, value = 0; instant < instants; instant++, i++) {
        value ^= (bits[i >> 3] >> (i & 7)) & 1;
        values[instant * bodies + body] = value;
      }
    }
    return values;
  }

  countAlive() {
    const { bodies, instants, teams, alive, teamOf } = this;
    const counts = new Uint32Array(instants * teams.length);
    for (let instant = 0, i = 0; instant < instants; instant++) {
      const start = instant * teams.length;
      for (let body = 0; body < bodies; body++, i++) counts[start + teamOf[body]] += alive[i];
    }
    return counts;
  }

  addUp() {
    const teams = this.teams.length;
    const total = Float64Array.from(this.reward);
    for (let i = teams; i < total.length; i++) total[i] += total[i - teams];
    return total;
  }

  // Place in the legend of each team's groups, 256 numbers a team.
  readLegend() {
    const entryOf = new Uint16Array(256 * this.teams.length);
    this.legend.forEach(({ team, group }, place) => {
      entryOf[256 * team + (group < 0 ? NO_GROUP : group)] = place;
    });
    return entryOf;
  }

  // Living members of each entry of the legend.
  groupCounts(instant) {
    const { bodies, alive, group, teamOf, entryOf } = this;
    const counts = new Uint32Array(this.legend.length);
    if (!counts.length) return counts;
    for (let body = 0, i = instant * bodies; body < bodies; body++, i++) {
      if (alive[i]) counts[entryOf[256 * teamOf[body] + group[i]]]++;
    }
    return counts;
  }

  wall(column, row) {
    const bit = row * this.extent[0] + column;
    return (this.wallBits[bit >> 3] >> (bit & 7)) & 1;
  }

  // Place of a body in the world's units.
  place(instant, body) {
    const i = instant * this.bodies + body;
    return [
      this.origin[0] + this.unit[0] * this.x[i],
      this.origin[1] + this.unit[1] * this.y[i],
    ];
  }
}
