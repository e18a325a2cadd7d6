"use strict";

// What part of the world is in sight. Pointers are in CSS pixels, drawing in device pixels.

const ZOOM_RANGE = [1, 80];
const LAST_UNIT = 65535;

class Camera {
  constructor(canvas, episode) {
    this.canvas = canvas;
    this.view = viewOf(episode);
    this.showWhole();
    this.resize();
  }

  resize() {
    const { canvas } = this;
    this.ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * this.ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * this.ratio));
    // Buttons that float over the canvas must not cover the world.
    const floating = getComputedStyle(document.getElementById("zoom")).position === "absolute";
    this.margin = [floating ? 64 : 10, 12];
    this.rescale();
  }

  // Sets `scale`, device pixels to one unit of the world, and where the world's origin is.
  rescale() {
    const { canvas, ratio, margin, view } = this;
    const fits = [canvas.width, canvas.height].map((pixels, axis) =>
      Math.max(1, pixels - 2 * margin[axis] * ratio) / (view.high[axis] - view.low[axis]));
    this.scale = Math.min(...fits) * this.zoom;
    this.left = canvas.width / 2 - this.centre[0] * this.scale;
    this.top = canvas.height / 2 - this.centre[1] * this.scale;
  }

  // Keeps the point of the world under (x, y) where it is.
  zoomBy(factor, x, y) {
    const before = this.worldAt(x, y);
    this.zoom = clamp(this.zoom * factor, ...ZOOM_RANGE);
    this.rescale();
    const after = this.worldAt(x, y);
    this.lookAt(this.centre.map((value, axis) => value + before[axis] - after[axis]));
  }

  panBy(x, y) {
    const moved = [x, y].map((pixels) => (pixels * this.ratio) / this.scale);
    this.lookAt(this.centre.map((value, axis) => value - moved[axis]));
  }

  lookAt(point) {
    const { low, high } = this.view;
    this.centre = point.map((value, axis) => this.zoom === 1
      ? (low[axis] + high[axis]) / 2 : clamp(value, low[axis], high[axis]));
    this.rescale();
  }

  showWhole() {
    this.zoom = 1;
    this.centre = this.view.low.map((low, axis) => (low + this.view.high[axis]) / 2);
    if (this.ratio) this.rescale();
  }

  worldAt(x, y) {
    return [(x * this.ratio - this.left) / this.scale, (y * this.ratio - this.top) / this.scale];
  }
}

// The world, and a quarter around it where bodies of a plane have been out there.
function viewOf({ continuous, extent, origin, unit }) {
  if (!continuous) return { low: [0, 0], high: extent };
  return {
    low: extent.map((side, axis) => Math.max(origin[axis], -side / 4)),
    high: extent.map((side, axis) =>
      Math.min(origin[axis] + LAST_UNIT * unit[axis], side * 1.25)),
  };
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
