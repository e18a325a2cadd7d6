"use strict";

// Hands and keys: buttons, keyboard, mouse and touch. Starts the page.

const ZOOM_STEP = 1.5;

function connectButtons(player) {
  const onClick = (id, action) => element(id).addEventListener("click", action);
  onClick("play", () => player.toggle());
  onClick("back", () => player.stepBy(-1));
  onClick("forward", () => player.stepBy(1));
  onClick("closer", () => zoom(player, ZOOM_STEP));
  onClick("farther", () => zoom(player, 1 / ZOOM_STEP));
  onClick("whole", () => showWhole(player));
  onClick("each", () => player.showReward(player.episode.reward));
  onClick("total", () => player.showReward(player.episode.total));
  element("scrub").addEventListener("input", (event) => player.goTo(event.target.value));
  element("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
  onClick("by-group", () => player.colourByGroup(true));
  onClick("by-team", () => player.colourByGroup(false));
  element("smooth").addEventListener("change", (event) => {
    player.smooth = event.target.checked;
    player.refresh();
  });
  element("dense").addEventListener("change", (event) => player.shadeDensity(event.target.checked));
  element("follow").addEventListener("change", (event) => {
    const { value } = event.target;
    player.follow(value === "" ? -1 : Number(value));
  });
}

function connectKeys(player) {
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: (event) => player.stepBy(event.shiftKey ? -10 : -1),
    ArrowRight: (event) => player.stepBy(event.shiftKey ? 10 : 1),
    Home: () => player.goTo(0),
    End: () => player.goTo(player.last),
    "[": () => player.changeSpeed(-1),
    "]": () => player.changeSpeed(1),
    "+": () => zoom(player, ZOOM_STEP),
    "=": () => zoom(player, ZOOM_STEP),
    "-": () => zoom(player, 1 / ZOOM_STEP),
    0: () => showWhole(player),
    d: () => player.shadeDensity(!player.dense),
    g: () => player.colourByGroup(!player.grouped),
  };
  document.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || ownsKey(event)) return;
    event.preventDefault();
    action(event);
  });
}

// Whether the focused control needs the key itself.
function ownsKey({ key, target }) {
  if (target.matches("select, input[type=number]")) return true;
  return key === " " && target.matches("button, input[type=checkbox], summary");
}

function zoom(player, factor, x, y) {
  const { canvas } = player.field;
  player.field.camera.zoomBy(factor, x ?? canvas.clientWidth / 2, y ?? canvas.clientHeight / 2);
  viewChanged(player);
}

function showWhole(player) {
  player.field.camera.showWhole();
  viewChanged(player);
}

// A finger scrolls the page past the whole world, but moves a world that is zoomed in.
function viewChanged(player) {
  player.field.canvas.style.touchAction = player.field.camera.zoom > 1 ? "none" : "pan-y";
  player.requestFrame();
}

function connectPointer(player) {
  const { canvas } = player.field;
  const pointers = new Map();
  let travelled = 0;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(player, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = [event.offsetX, event.offsetY];
    const before = pointers.get(event.pointerId);
    if (!before) {
      player.hover(...here);
      return;
    }
    travelled += distance(here, before);
    drag(player, pointers, event.pointerId, here);
    pointers.set(event.pointerId, here);
  });
  const release = (event) => {
    const tapped = event.type === "pointerup" && pointers.size === 1 && travelled < 6;
    pointers.delete(event.pointerId);
    if (tapped) choose(player, event.offsetX, event.offsetY);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => player.leave());
}

// One pointer moves the world; two also zoom by how far they part.
function drag(player, pointers, moved, here) {
  const before = pointers.get(moved);
  player.tracking = false;
  const others = [...pointers].filter(([id]) => id !== moved).map(([, place]) => place);
  player.field.camera.panBy((here[0] - before[0]) / pointers.size, (here[1] - before[1]) / pointers.size);
  if (others.length) {
    const [other] = others;
    const factor = distance(here, other) / Math.max(1, distance(before, other));
    zoom(player, factor, (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
  }
  viewChanged(player);
}

// A click follows the body under it; a second click, or one beside all bodies, lets go.
function choose(player, x, y) {
  const body = player.field.bodyAt(x, y);
  player.follow(body === player.followed ? -1 : body);
}

function distance(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}

function connectWindow(player) {
  new ResizeObserver(() => {
    player.field.camera.resize();
    // A canvas of another size is black until it is drawn, so the next frame would be too late.
    player.shownStep = -1;
    player.draw();
  }).observe(player.field.canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    player.field.readTheme();
    player.refresh();
  });
  window.addEventListener("hashchange", () => followLink(player));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && player.playing) player.pause();
  });
}

// replay.html#step=120 opens at that step.
function followLink(player) {
  const step = new URLSearchParams(location.hash.slice(1)).get("step");
  if (step !== null) player.goTo(step);
}

async function start() {
  try {
    const player = new Player(await loadEpisode());
    connectButtons(player);
    connectKeys(player);
    connectPointer(player);
    connectWindow(player);
    player.setSpeed(1);
    player.setPlaying(false);
    viewChanged(player);
    followLink(player);
    root.dataset.state = "ready";
  } catch (error) {
    element("problem").hidden = false;
    element("problem").textContent = error instanceof Problem
      ? error.message : `This page could not be shown: ${error.message}.`;
    element("summary").textContent = "";
    root.dataset.state = "error";
    if (!(error instanceof Problem)) throw error;
  }
}

document.addEventListener("DOMContentLoaded", start);
