"use strict";

// Where crowds are dense: shades under their bodies, counted as density.py counts them.

class Density {
  constructor({ density, extent, teamOf }) {
    const { crowds, raster, border, densest } = density;
    const [across, down] = raster;
    Object.assign(this, { crowds, across, down, border, densest });
    this.cellsPerUnit = raster.map((cells, axis) => cells / extent[axis]);
    this.crowdOf = Int16Array.from(teamOf, (team) => crowds.indexOf(team));
    this.counts = crowds.map(() => new Float64Array(across * down));
    this.image = new ImageData(across, down);
    this.layer = Object.assign(document.createElement("canvas"), { width: across, height: down });
  }

  // Smoothed numbers of bodies in each cell, a list for each crowd. `x` and `y` give a body's
  // middle in the world's units.
  measure(isAlive, x, y) {
    const { across, down, border, counts, crowdOf, cellsPerUnit } = this;
    for (const cells of counts) cells.fill(0);
    for (let body = 0; body < crowdOf.length; body++) {
      if (crowdOf[body] < 0 || !isAlive(body)) continue;
      const column = x(body) * cellsPerUnit[0];
      const row = y(body) * cellsPerUnit[1];
      if (column < -border || column > across + border) continue;
      if (row < -border || row > down + border) continue;
      const cell = clamp(Math.floor(row), 0, down - 1) * across
        + clamp(Math.floor(column), 0, across - 1);
      counts[crowdOf[body]][cell]++;
    }
    return counts.map((cells) => this.smoothed(cells));
  }

  // Each cell with its neighbours by 1, 2, 1 along both axes; beyond the border all is as at it.
  smoothed(cells) {
    const { across, down } = this;
    const rows = new Float64Array(cells.length);
    const both = new Float64Array(cells.length);
    const along = (from, to, step, place, length, i) => {
      const before = from[place > 0 ? i - step : i];
      const after = from[place < length - 1 ? i + step : i];
      to[i] = (before + 2 * from[i] + after) / 4;
    };
    for (let i = 0; i < cells.length; i++) along(cells, rows, 1, i % across, across, i);
    for (let i = 0; i < cells.length; i++) {
      along(rows, both, across, Math.floor(i / across), down, i);
    }
    return both;
  }

  // A picture of the world's size in cells: in each the colour of whose crowd is largest there.
  paint(densities, colours) {
    const { image, layer, densest } = this;
    let largest = 0;
    for (const cells of densities) largest = cells.reduce((a, b) => Math.max(a, b), largest);
    for (let i = 0; i < densities[0].length; i++) {
      let crowd = 0;
      for (let j = 1; j < densities.length; j++) {
        if (densities[j][i] > densities[crowd][i]) crowd = j;
      }
      const share = largest && Math.sqrt(densities[crowd][i] / largest);
      image.data.set([...colours[crowd], Math.round(255 * densest * share)], 4 * i);
    }
    layer.getContext("2d").putImageData(image, 0, 0);
    return layer;
  }
}
