"use strict";

// A small line chart: one line a team over all steps, and a cursor at the current one.

class Chart {
  // values: [instants * lines]; onScrub is called with the step under the pointer.
  constructor(canvas, lines, values, onScrub) {
    Object.assign(this, { canvas, lines, values, instants: values.length / lines });
    this.context = canvas.getContext("2d");
    const scrub = (event) => {
      if (event.buttons) onScrub(this.stepAt(event.offsetX));
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      scrub(event);
    });
    canvas.addEventListener("pointermove", scrub);
  }

  show(values) {
    this.values = values;
  }

  // Of the plot inside the canvas, in CSS pixels; numbers stand to its left.
  get frame() {
    const { clientWidth, clientHeight } = this.canvas;
    return { left: 46, top: 8, right: clientWidth - 6, bottom: clientHeight - 8 };
  }

  stepAt(x) {
    const { left, right } = this.frame;
    return Math.round(clamp((x - left) / (right - left), 0, 1) * (this.instants - 1));
  }

  range() {
    let low = 0;
    let high = 0;
    for (const value of this.values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return low === high ? [low, low + 1] : [low, high];
  }

  draw(step, colours, theme) {
    const { canvas, context, frame } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    context.scale(ratio, ratio);
    const [low, high] = this.range();
    const across = (i) => frame.left + ((frame.right - frame.left) * i) / Math.max(1, this.instants - 1);
    const up = (value) => frame.bottom - ((frame.bottom - frame.top) * (value - low)) / (high - low);
    this.drawAxis(low, high, up, theme);
    for (let line = 0; line < this.lines; line++) {
      this.drawLine(line, across, up, colours[line]);
    }
    this.drawCursor(step, across, up, colours, theme);
  }

  drawAxis(low, high, up, theme) {
    const { context, frame } = this;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = theme.quiet;
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    // Zero always has a line; its number only where it does not touch another.
    const apart = (value) => value === 0 || Math.abs(up(value) - up(0)) > 14;
    for (const value of new Set([0, low, high].filter(apart))) {
      context.fillText(shortNumber(value), frame.left - 7, up(value));
      context.beginPath();
      context.moveTo(frame.left, up(value));
      context.lineTo(frame.right, up(value));
      context.stroke();
    }
  }

  drawLine(line, across, up, colour) {
    const { context } = this;
    context.beginPath();
    for (let i = 0; i < this.instants; i++) {
      context.lineTo(across(i), up(this.values[i * this.lines + line]));
    }
    context.strokeStyle = colour;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.stroke();
  }

  drawCursor(step, across, up, colours, theme) {
    const { context, frame } = this;
    context.fillStyle = theme.ink;
    context.globalAlpha = 0.55;
    context.fillRect(across(step) - 0.5, frame.top, 1, frame.bottom - frame.top);
    context.globalAlpha = 1;
    for (let line = 0; line < this.lines; line++) {
      context.beginPath();
      context.arc(across(step), up(this.values[step * this.lines + line]), 3.2, 0, 2 * Math.PI);
      context.fillStyle = colours[line];
      context.fill();
    }
  }
}

function shortNumber(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toFixed(1)}M`.replace(".0M", "M").replace("-", "−");
  if (size >= 1e3) return `${(value / 1e3).toFixed(1)}k`.replace(".0k", "k").replace("-", "−");
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 1 ? 1 : 2;
  return value.toFixed(digits).replace("-", "−");
}
