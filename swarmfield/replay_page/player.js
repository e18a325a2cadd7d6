"use strict";

// Playback: time, controls, and what they show. Everything on the page follows `time`.

const STEPS_PER_SECOND = 10;
// A tab that was asleep must not jump.
const LONGEST_FRAME = 0.1;
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const root = document.documentElement;
const element = (id) => document.getElementById(id);

class Player {
  constructor(episode) {
    this.episode = episode;
    this.last = episode.instants - 1;
    this.time = 0;
    this.playing = false;
    this.speed = 1;
    this.hovered = -1;
    this.followed = -1;
    this.tracking = false;
    this.pointer = null;
    this.grouped = episode.colourBy === "group";
    this.dense = Boolean(episode.density);
    this.smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    const scrub = (step) => this.goTo(step);
    this.alive = new Chart(element("alive"), episode.teams.length, episode.aliveCount, scrub);
    this.reward = new Chart(element("reward"), episode.teams.length, episode.total, scrub);
    this.field = new Field(element("field"), episode);
    this.fillPage();
    this.shownStep = -1;
    this.frame = this.frame.bind(this);
    this.refresh();
  }

  get step() { return Math.floor(this.time); }

  // The page's fixed words and numbers.
  fillPage() {
    const { episode } = this;
    const bodies = episode.bodies.toLocaleString("en");
    const [width, height] = episode.extent.map((side) => Number(side.toPrecision(3)));
    element("summary").textContent =
      `${bodies} ${episode.bodies === 1 ? "body" : "bodies"} · ${width} × ${height} · ${this.last} steps`;
    element("scrub").max = this.last;
    element("follow").max = episode.bodies - 1;
    element("smooth").checked = this.smooth;
    element("dense").checked = this.dense;
    element("density").hidden = !this.dense;
    element("stage").style.setProperty("--aspect", clamp(width / height, 0.7, 2));
    element("number").textContent = episode.mortal ? "Alive" : "Number";
    element("living").hidden = !episode.mortal;
    this.members = episode.teams.map((_, team) => episode.teamOf.filter((t) => t === team).length);
    this.rows = episode.teams.map((name) => this.teamRow(name));
    element("teams").tBodies[0].replaceChildren(...this.rows);
    this.legend = new Legend(episode);
  }

  teamRow(name) {
    const row = document.createElement("tr");
    const head = row.insertCell();
    head.append(swatch(), name);
    const count = row.insertCell();
    count.append("", document.createElement("small"));
    row.insertCell();
    return row;
  }

  refresh() {
    this.shownStep = -1;
    this.requestFrame();
  }

  requestFrame() {
    this.pending ??= requestAnimationFrame(this.frame);
  }

  frame(now) {
    this.pending = null;
    if (this.playing) this.advance(Math.min((now - this.before) / 1000, LONGEST_FRAME));
    this.before = now;
    this.draw();
    if (this.playing) this.requestFrame();
  }

  advance(seconds) {
    this.time = Math.min(this.time + Math.max(0, seconds) * STEPS_PER_SECOND * this.speed, this.last);
    if (this.time === this.last) this.pause();
  }

  draw() {
    const { hovered, followed, grouped, dense, smooth } = this;
    const start = this.step * this.episode.bodies;
    const marked = [...new Set([hovered, followed])]
      .filter((body) => body >= 0 && this.episode.alive[start + body]);
    if (this.tracking) this.keepInView();
    this.field.draw(this.time, { smooth, grouped, dense, marked });
    this.showTip();
    if (this.step !== this.shownStep) this.showStep();
    root.dataset.zoom = this.field.camera.zoom.toFixed(2);
  }

  // Moves the camera along with the followed agent until a hand moves it elsewhere.
  keepInView() {
    this.field.locate(this.time, this.smooth);
    this.field.camera.lookAt(this.field.middleOf(this.followed));
  }

  // What changes only with the step: numbers, charts and the scrub bar.
  showStep() {
    const { step, episode, field } = this;
    this.shownStep = step;
    root.dataset.step = step;
    element("scrub").value = step;
    element("scrub").setAttribute("aria-valuetext", `step ${step} of ${this.last}`);
    element("step").textContent = `${step} / ${this.last}`;
    this.rows.forEach((row, team) => {
      const i = step * episode.teams.length + team;
      const [head, count, total] = row.cells;
      head.firstChild.style.background = this.lineColours()[team];
      head.firstChild.dataset.shape = this.grouped ? episode.shapes[team] : "";
      count.firstChild.data = episode.aliveCount[i].toLocaleString("en");
      count.lastChild.textContent = episode.mortal
        ? ` / ${this.members[team].toLocaleString("en")}` : "";
      total.textContent = signed(episode.total[i]);
    });
    this.legend.show(this.grouped, episode.groupCounts(step), field.colours);
    if (episode.mortal) this.alive.draw(step, this.lineColours(), field.theme);
    this.reward.draw(step, this.lineColours(), field.theme);
    this.describe();
  }

  lineColours() {
    return this.episode.palette.map((index) => this.field.colours[index]);
  }

  // The charts and the world in words, for screen readers.
  describe() {
    const { episode, step } = this;
    const say = (values, digits) => episode.teams
      .map((name, team) => `${name} ${values[step * episode.teams.length + team].toFixed(digits)}`)
      .join(", ");
    const rewards = this.reward.values === episode.total ? "so far" : "in this step";
    element("alive").setAttribute("aria-label", `Living bodies at step ${step}: ${say(episode.aliveCount, 0)}`);
    element("reward").setAttribute("aria-label", `Team reward ${rewards}: ${say(this.reward.values, 2)}`);
    const number = element("number").textContent;
    element("field").setAttribute("aria-label",
      `World at step ${step}. ${number}: ${say(episode.aliveCount, 0)}`);
    element("agent").textContent = this.followed >= 0 ? this.agentText(this.followed) : "";
    element("agent").setAttribute("aria-live", this.playing ? "off" : "polite");
  }

  agentText(body) {
    const { episode, step } = this;
    const i = step * episode.bodies + body;
    const lines = [`Body ${body} · ${episode.teams[episode.teamOf[body]]}`];
    if (episode.grouped && episode.group[i] !== NO_GROUP) lines[0] += ` · group ${episode.group[i]}`;
    if (!episode.alive[i]) return [...lines, "not alive at this step"].join("\n");
    const digits = episode.continuous ? 3 : 0;
    const [x, y] = episode.place(step, body).map((value) => value.toFixed(digits));
    if (episode.mortal) lines.push(`health ${Math.round(episode.level[i] / 2.55)} %`);
    return [...lines, `position ${x}, ${y}`].join("\n");
  }

  showTip() {
    const tip = element("tip");
    tip.hidden = this.hovered < 0 || !this.pointer;
    if (tip.hidden) return;
    tip.textContent = this.agentText(this.hovered);
    const { clientWidth, clientHeight } = element("field");
    const x = Math.min(this.pointer[0] + 14, clientWidth - tip.offsetWidth - 6);
    const y = this.pointer[1] + 16 + tip.offsetHeight > clientHeight
      ? this.pointer[1] - tip.offsetHeight - 10 : this.pointer[1] + 16;
    tip.style.transform = `translate(${Math.max(6, x)}px, ${Math.max(6, y)}px)`;
  }

  hover(x, y) {
    this.pointer = [x, y];
    this.hovered = this.field.bodyAt(x, y);
    this.requestFrame();
  }

  leave() {
    this.pointer = null;
    this.hovered = -1;
    this.requestFrame();
  }

  follow(body) {
    this.followed = body >= 0 && body < this.episode.bodies ? body : -1;
    this.tracking = this.followed >= 0;
    element("follow").value = this.followed >= 0 ? this.followed : "";
    this.refresh();
  }

  play() {
    if (this.step >= this.last) this.time = 0;
    this.before = performance.now();
    this.setPlaying(true);
  }

  // Stops at the step that is shown, not between two.
  pause() {
    this.time = this.step;
    this.setPlaying(false);
  }

  setPlaying(playing) {
    this.playing = playing;
    root.dataset.playing = playing;
    element("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    this.refresh();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  goTo(step) {
    this.time = clamp(Math.round(Number(step)) || 0, 0, this.last);
    this.leave();
  }

  stepBy(steps) {
    if (this.playing) this.pause();
    this.goTo(this.step + steps);
  }

  setSpeed(speed) {
    this.speed = speed;
    root.dataset.speed = speed;
    element("speed").value = String(speed);
  }

  changeSpeed(places) {
    const place = SPEEDS.indexOf(this.speed) + places;
    this.setSpeed(SPEEDS[clamp(place, 0, SPEEDS.length - 1)]);
  }

  // Bodies in the colours of groups, where there are any, or of teams.
  colourByGroup(grouped) {
    this.grouped = grouped && this.legend.hasGroups;
    this.refresh();
  }

  // Shades under the bodies, where there are crowds in a plane.
  shadeDensity(dense) {
    this.dense = dense && this.field.density !== null;
    element("dense").checked = this.dense;
    this.refresh();
  }

  showReward(values) {
    this.reward.show(values);
    element("total").setAttribute("aria-pressed", values === this.episode.total);
    element("each").setAttribute("aria-pressed", values === this.episode.reward);
    this.refresh();
  }
}

function swatch() {
  return Object.assign(document.createElement("span"), { className: "swatch" });
}

function signed(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 1 }).replace("-", "−");
}
