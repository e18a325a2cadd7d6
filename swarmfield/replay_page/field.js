"use strict";

// The world: ground, walls and bodies, as the camera sees them.

const SHADES = 8;
// Pixels of a side from which a body of a group has an edge.
const SMALLEST_EDGED = 7;
// Rounded shapes are paths and cost more than squares: only while this few are in sight.
const MOST_ROUNDED = 4000;

class Field {
  constructor(canvas, episode) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.episode = episode;
    this.camera = new Camera(canvas, episode);
    this.density = episode.density ? new Density(episode) : null;
    this.order = new Int32Array(episode.bodies);
    this.lefts = new Float32Array(episode.bodies);
    this.tops = new Float32Array(episode.bodies);
    this.visible = 0;
    this.bucketOf = new Uint16Array(episode.bodies);
    this.colourOf = this.groupColours();
    this.readTheme();
  }

  readTheme() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    this.theme = {};
    for (const name of ["page", "field", "grid", "line", "wall", "ink", "quiet"]) {
      this.theme[name] = read(`--${name}`);
    }
    this.colours = this.episode.colours[dark ? "dark" : "light"];
    const field = channels(this.theme.field);
    this.shades = this.colours.flatMap((colour, index) =>
      Array.from({ length: SHADES }, (_, shade) =>
        blend(channels(colour), field, this.episode.colours.faintest[index], shade)));
    this.walls = this.episode.walls ? this.drawWallImage() : null;
  }

  // Colour of each team's groups, 256 numbers a team.
  groupColours() {
    const { legend, entryOf, colours } = this.episode;
    return Uint8Array.from(entryOf, (place) => legend[place]?.colour ?? colours.neutral);
  }

  drawWallImage() {
    const [width, height] = this.episode.extent;
    const image = Object.assign(document.createElement("canvas"), { width, height });
    const context = image.getContext("2d");
    context.fillStyle = this.theme.wall;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        if (this.episode.wall(column, row)) context.fillRect(column, row, 1, 1);
      }
    }
    return image;
  }

  // The body drawn last at or next to a pointer, or -1: fingers and tiny bodies need room.
  bodyAt(x, y) {
    const { lefts, tops, order, camera } = this;
    const [across, down] = [x * camera.ratio, y * camera.ratio];
    let nearest = -1;
    let least = 6 * camera.ratio;
    for (const body of order.subarray(0, this.visible)) {
      const side = this.sideOf(body);
      const away = Math.hypot(
        Math.max(lefts[body] - across, 0, across - lefts[body] - side),
        Math.max(tops[body] - down, 0, down - tops[body] - side));
      if (away < least) [nearest, least] = [body, away];
    }
    return nearest;
  }

  draw(time, { smooth, grouped, dense, marked }) {
    this.drawGround();
    this.locate(time, smooth);
    if (dense) this.drawDensity(Math.floor(time));
    this.drawBodies(time, grouped);
    for (const body of marked) this.drawRing(body);
  }

  drawGround() {
    const { context, canvas, theme } = this;
    const { scale, left, top, ratio } = this.camera;
    const [width, height] = this.episode.extent;
    context.fillStyle = theme.page;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = theme.field;
    context.fillRect(left, top, width * scale, height * scale);
    if (!this.episode.continuous && scale >= 12 * ratio) this.drawGrid();
    if (this.walls) {
      context.imageSmoothingEnabled = false;
      context.drawImage(this.walls, left, top, width * scale, height * scale);
    }
    context.strokeStyle = theme.line;
    context.lineWidth = ratio;
    context.strokeRect(left, top, width * scale, height * scale);
  }

  drawGrid() {
    const { context, canvas } = this;
    const { scale, left, top, ratio } = this.camera;
    const [width, height] = this.episode.extent;
    const [right, bottom] = [left + width * scale, top + height * scale];
    context.beginPath();
    for (let x = Math.max(left, left % scale); x <= Math.min(right, canvas.width); x += scale) {
      context.moveTo(x, Math.max(top, 0));
      context.lineTo(x, Math.min(bottom, canvas.height));
    }
    for (let y = Math.max(top, top % scale); y <= Math.min(bottom, canvas.height); y += scale) {
      context.moveTo(Math.max(left, 0), y);
      context.lineTo(Math.min(right, canvas.width), y);
    }
    context.strokeStyle = this.theme.grid;
    context.lineWidth = ratio;
    context.stroke();
  }

  // Of the places that `locate` found.
  drawDensity(instant) {
    const { context, camera, density, lefts, tops, episode } = this;
    const { alive, bodies, palette, extent: [width, height] } = episode;
    const middle = (edges, start) => (body) =>
      (edges[body] + this.sideOf(body) / 2 - start) / camera.scale;
    const densities = density.measure((body) => alive[instant * bodies + body],
      middle(lefts, camera.left), middle(tops, camera.top));
    const colours = density.crowds.map((team) => channels(this.colours[palette[team]]));
    const layer = density.paint(densities, colours);
    context.imageSmoothingEnabled = true;
    context.drawImage(layer, camera.left, camera.top, width * camera.scale, height * camera.scale);
  }

  drawBodies(time, grouped) {
    const starts = this.sortByShade(time, grouped);
    this.visible = starts[this.shades.length];
    const ofShade = this.shades.map((_, i) => this.order.subarray(starts[i], starts[i + 1]));
    if (this.visible <= MOST_ROUNDED && this.unitSide() >= 5) this.fillRounded(ofShade, grouped);
    else this.fillPixels(ofShade, grouped);
  }

  // Side of a body of size one, and of a given body.
  unitSide() {
    return this.camera.scale * (this.episode.continuous ? 2 * this.episode.radius : 1);
  }

  sideOf(body) {
    return this.unitSide() * this.episode.size[body];
  }

  // Fills `order` with the visible bodies by shade (a counting sort).
  sortByShade(time, grouped) {
    const { episode, order, bucketOf } = this;
    const { bodies, alive, level, teamOf, group, palette } = episode;
    const starts = new Int32Array(this.shades.length + 1);
    const instant = Math.floor(time);
    for (let body = 0, i = instant * bodies; body < bodies; body++, i++) {
      bucketOf[body] = this.shades.length;
      if (!alive[i] || !this.inSight(body)) continue;
      const colour = grouped ? this.colourOf[256 * teamOf[body] + group[i]] : palette[teamOf[body]];
      bucketOf[body] = colour * SHADES + Math.round((level[i] * (SHADES - 1)) / 255);
      starts[bucketOf[body] + 1]++;
    }
    for (let bucket = 0; bucket < this.shades.length; bucket++) starts[bucket + 1] += starts[bucket];
    const next = starts.slice();
    for (let body = 0; body < bodies; body++) {
      if (bucketOf[body] < this.shades.length) order[next[bucketOf[body]]++] = body;
    }
    return starts;
  }

  // Left, top corners of all bodies on the canvas, in device pixels.
  locate(time, smooth) {
    const instant = Math.floor(time);
    const fraction = smooth ? time - instant : 0;
    const { bodies, x, y, alive, origin, unit, size, continuous, radius } = this.episode;
    const { scale } = this.camera;
    const left = this.camera.left + origin[0] * scale;
    const top = this.camera.top + origin[1] * scale;
    for (let body = 0, i = instant * bodies, j = i + bodies; body < bodies; body++, i++, j++) {
      const part = fraction && alive[j] ? fraction : 0;
      const shift = continuous ? radius * size[body] * scale : 0;
      this.lefts[body] = left + unit[0] * (part ? x[i] + part * (x[j] - x[i]) : x[i]) * scale - shift;
      this.tops[body] = top + unit[1] * (part ? y[i] + part * (y[j] - y[i]) : y[i]) * scale - shift;
    }
  }

  // The middle of a body that `locate` has placed, in the world's units.
  middleOf(body) {
    const { camera, lefts, tops } = this;
    const half = this.sideOf(body) / 2;
    return camera.worldAt((lefts[body] + half) / camera.ratio, (tops[body] + half) / camera.ratio);
  }

  inSight(body) {
    const reach = this.sideOf(body);
    return this.lefts[body] + reach > 0 && this.lefts[body] < this.canvas.width
      && this.tops[body] + reach > 0 && this.tops[body] < this.canvas.height;
  }

  // Few bodies: paths with round corners, one for each shade, since changing colour costs.
  fillRounded(ofShade, grouped) {
    const { context, lefts, tops, theme, camera: { ratio } } = this;
    const { shapes, teamOf, continuous } = this.episode;
    const gap = this.unitSide() * 0.07;
    const usual = continuous ? "circle" : "square";
    ofShade.forEach((bodies, shade) => {
      context.beginPath();
      for (const body of bodies) {
        const side = this.sideOf(body) - 2 * gap;
        const shape = grouped ? shapes[teamOf[body]] : usual;
        traceShape(context, shape, lefts[body] + gap, tops[body] + gap, side);
      }
      context.fillStyle = `rgb(${this.shades[shade].join(" ")})`;
      context.fill();
      if (!grouped) return;
      context.strokeStyle = theme.ink;
      context.lineWidth = Math.max(1, 0.035 * this.unitSide() / ratio) * ratio;
      context.stroke();
    });
  }

  // Many bodies: shapes written as pixels, whose cost the canvas bounds, however many.
  fillPixels(ofShade, grouped) {
    const { lefts, tops, episode: { shapes, teamOf } } = this;
    const { image } = this.clearLayer();
    const gap = this.unitSide() >= 4 ? 1 : 0;
    // Far away a body would be less than a pixel: it keeps a size that can be seen.
    const least = Math.round(1.6 * this.camera.ratio);
    const ink = asWord(channels(this.theme.ink));
    ofShade.forEach((bodies, shade) => {
      const word = asWord(this.shades[shade]);
      for (const body of bodies) {
        const side = Math.max(Math.round(this.sideOf(body)) - gap, least);
        const [left, top] = [Math.round(lefts[body]), Math.round(tops[body])];
        const shape = grouped ? shapes[teamOf[body]] : "square";
        const edge = grouped && side >= SMALLEST_EDGED ? 1 : 0;
        if (edge) this.fillShape(shape, left, top, side, ink);
        this.fillShape(shape, left + edge, top + edge, side - 2 * edge, word);
      }
    });
    this.layer.getContext("2d").putImageData(image, 0, 0);
    this.context.drawImage(this.layer, 0, 0);
  }

  // Clipped at the canvas.
  fillShape(shape, left, top, side, word) {
    const { canvas: { width, height }, pixels: { words } } = this;
    const insets = insetsOf(shape, side);
    const bottom = Math.min(top + side, height);
    for (let y = Math.max(top, 0); y < bottom; y++) {
      const inset = insets[y - top];
      const right = Math.min(left + side - inset, width);
      for (let x = Math.max(left + inset, 0); x < right; x++) words[y * width + x] = word;
    }
  }

  clearLayer() {
    const { width, height } = this.canvas;
    this.layer ??= document.createElement("canvas");
    if (this.layer.width !== width || this.layer.height !== height || !this.pixels) {
      Object.assign(this.layer, { width, height });
      const image = new ImageData(width, height);
      this.pixels = { image, words: new Uint32Array(image.data.buffer) };
    }
    this.pixels.words.fill(0);
    return this.pixels;
  }

  drawRing(body) {
    const { context, camera: { ratio } } = this;
    const half = this.sideOf(body) / 2;
    const reach = Math.max(half * 1.5, 7 * ratio);
    context.beginPath();
    context.arc(this.lefts[body] + half, this.tops[body] + half, reach, 0, 2 * Math.PI);
    context.strokeStyle = this.theme.ink;
    context.lineWidth = 2 * ratio;
    context.stroke();
  }
}

function channels(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

function blend(colour, background, faintest, shade) {
  const share = faintest + ((1 - faintest) * shade) / (SHADES - 1);
  return colour.map((value, i) => Math.round(share * value + (1 - share) * background[i]));
}

// Red, green and blue as one opaque pixel of image data.
function asWord([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
