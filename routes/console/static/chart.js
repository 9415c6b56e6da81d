/**
 * Draws bars over time as SVG, with the figures as a table for those who cannot see them.
 */

import { h, heads, svg } from "./dom.js";
import { number } from "./format.js";

const HEIGHT = 150;
const LEFT = 40;
const BOTTOM = 20;
const TOP = 8;

/** @typedef {{ label: string, sold: number, returned: number }} Bar */

/**
 * The next number that is round enough for an axis.
 * @param {number} most
 */
function roundUp(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= most) || most;
}

/**
 * @param {Bar[]} bars in order, without gaps
 * @param {{ title: string, first: string, last: string }} about
 */
export function chart(bars, about) {
  // On a phone fewer units to the width, so that what is written stays readable.
  const width = innerWidth < 640 ? 340 : 560;
  const most = roundUp(Math.max(1, ...bars.map((bar) => Math.max(bar.sold, bar.returned))));
  const step = (width - LEFT) / Math.max(1, bars.length);
  const thick = Math.min(28, Math.max(1, step * 0.72));
  const floor = HEIGHT - BOTTOM;
  const high = (n) => (n / most) * (floor - TOP);
  const lines = [0, 0.5, 1].filter((part) => part !== 0.5 || most > 1).map((part) => {
    const y = floor - part * (floor - TOP);
    return [
      svg("line", { x1: LEFT, x2: width, y1: y, y2: y, class: part ? "grid" : "axis" }),
      svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, number(most * part)),
    ];
  });
  const drawn = bars.map((bar, at) => {
    const x = LEFT + at * step + (step - thick) / 2;
    const told = `${bar.label}: ${number(bar.sold)} sold${bar.returned ? `, ${number(bar.returned)} returned` : ""}`;
    return svg("g",
      svg("title", told),
      svg("rect", { x: LEFT + at * step, y: TOP, width: step, height: floor - TOP, class: "touch" }),
      bar.sold > 0 && svg("rect", { x, y: floor - high(bar.sold), width: thick, height: high(bar.sold), rx: Math.min(2, thick / 3), class: "bar" }),
      bar.returned > 0 && svg("rect", { x: x + thick * 0.6, y: floor - high(bar.returned), width: thick * 0.4, height: high(bar.returned), class: "back" }));
  });
  const total = bars.reduce((sum, bar) => sum + bar.sold, 0);
  return h("figure.chart",
    svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `${about.title}: ${number(total)} sold` },
      lines, drawn,
      svg("text", { x: LEFT, y: HEIGHT - 4 }, about.first),
      svg("text", { x: width, y: HEIGHT - 4, "text-anchor": "end" }, about.last)),
    h("details.figures", h("summary", "Figures"),
      h("table",
        heads(["When", "Sold", "Returned"], [1, 2]),
        h("tbody", bars.filter((bar) => bar.sold || bar.returned).map((bar) =>
          h("tr", h("th", { scope: "row" }, bar.label), h("td", number(bar.sold)), h("td", number(bar.returned))))))));
}

/**
 * One bar of seats: sold, held, held back and free, each with its number.
 * @param {import("./seats.js").Seats} seats
 * @param {boolean} [legend]
 */
export function seatBar(seats, legend = false) {
  /** @type {[string, string, number][]} */
  const parts = [["sold", "Sold", seats.sold], ["held", "Held", seats.held], ["kept", "Held back", seats.kept], ["free", "Free", seats.free]];
  const label = parts.map(([, name, n]) => `${name} ${number(n)}`).join(", ");
  const bar = h("div.seats", { role: "img", "aria-label": label },
    parts.map(([kind, , n]) => {
      const part = h("span", { class: `seat-${kind}` });
      part.style.flexGrow = String(n);
      return n > 0 && part;
    }));
  if (!legend) return bar;
  // Seats are held back by hand, and of most events none are.
  const told = parts.filter(([kind, , n]) => kind !== "kept" || n);
  return h("div", bar, h("dl.legend", told.map(([kind, name, n]) =>
    h("div", { class: `of-${kind}` }, h("dt", name), h("dd", { "data-seats": kind }, number(n))))));
}
