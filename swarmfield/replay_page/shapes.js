"use strict";

// Outlines of bodies: squares, circles, diamonds and triangles in a square of a given side.

const ROUNDING = 0.26;

// Adds a shape to the canvas's current path.
function traceShape(context, shape, left, top, side) {
  const [right, bottom, middle] = [left + side, top + side, left + side / 2];
  if (shape === "square") {
    context.roundRect(left, top, side, side, ROUNDING * side);
    return;
  }
  if (shape === "circle") {
    context.roundRect(left, top, side, side, side / 2);
    return;
  }
  const corners = shape === "diamond"
    ? [[middle, top], [right, top + side / 2], [middle, bottom], [left, top + side / 2]]
    : [[middle, top], [right, bottom], [left, bottom]];
  corners.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}

const knownInsets = { square: [], circle: [], diamond: [], triangle: [] };

// For each row of pixels, how many are missing on either side; the same as in frames.py.
function insetsOf(shape, side) {
  knownInsets[shape][side] ??= Int32Array.from({ length: side }, (_, row) =>
    Math.ceil((side - 1 - Math.max(reachOf(shape, 2 * row + 1, side), 1)) / 2));
  return knownInsets[shape][side];
}

// From the middle of a row of pixels to the shape's side, all in halves of a pixel.
function reachOf(shape, row, side) {
  if (shape === "circle") return Math.sqrt(side ** 2 - (row - side) ** 2);
  if (shape === "diamond") return side - Math.abs(row - side);
  return shape === "triangle" ? row / 2 : side;
}
