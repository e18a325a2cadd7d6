"use strict";

// What colours mean when they are those of groups: each team's groups and their living members.

class Legend {
  constructor(episode) {
    this.episode = episode;
    const { legend, teams } = episode;
    this.items = legend.map(({ group }) => {
      const item = document.createElement("li");
      item.append(swatch(), group < 0 ? "no group: " : `group ${group}: `, "");
      return item;
    });
    element("groups").replaceChildren(...teams.map((name, team) =>
      this.list(name, this.items.filter((_, place) => legend[place].team === team))));
    element("colouring").hidden = !this.hasGroups;
  }

  get hasGroups() {
    return this.episode.legend.length > 0;
  }

  list(name, items) {
    const list = document.createElement("ul");
    list.setAttribute("aria-label", `Groups of ${name}`);
    list.append(...items);
    const block = document.createElement("div");
    block.append(name, list);
    return block;
  }

  // grouped: whether bodies have the groups' colours; counts: living members of each entry.
  show(grouped, counts, colours) {
    const { legend, shapes } = this.episode;
    element("groups").hidden = !grouped;
    element("by-group").setAttribute("aria-pressed", grouped);
    element("by-team").setAttribute("aria-pressed", !grouped);
    this.items.forEach((item, place) => {
      const { team, colour } = legend[place];
      item.firstChild.style.background = colours[colour];
      item.firstChild.dataset.shape = shapes[team];
      item.lastChild.data = counts[place].toLocaleString("en");
    });
  }
}
