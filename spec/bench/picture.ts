/**
 * picture: deliveries a second as bars in an SVG, on a logarithmic scale: there is more than a factor of 100 between the
 * systems. Scales and ticks are d3's; colours suit a light and a dark page alike.
 */
import { scaleBand, scaleLog } from "d3-scale";
import { type Figures, medianOf } from "./figures.ts";
import { short } from "./goals.ts";

const [width, rowHeight, left, right, top, bottom] = [760, 22, 210, 90, 34, 34];
const colours: Record<string, string> = { haiyu: "#d9480f", floor: "#868e96" };
const otherColour = "#4c78a8";

/** Bars of the axis `fanout`, grouped by work; null when it was not measured. */
export function fanoutPicture(figures: Figures): string | null {
  const bars = figures.all
    .filter(({ axis, metric }) => axis === "fanout" && metric === "deliveries")
    .map(({ work, system, values }) => ({
      label: `${work.replace(" in flight", "")} · ${system}`,
      system,
      median: medianOf(values),
      low: Math.min(...values),
      high: Math.max(...values),
    }));
  if (bars.length === 0) return null;
  const height = top + bottom + bars.length * rowHeight;
  const x = scaleLog()
    .domain([Math.min(...bars.map(({ low }) => low)) / 2, Math.max(...bars.map(({ high }) => high))])
    .range([left, width - right])
    .nice();
  const y = scaleBand()
    .domain(bars.map(({ label }) => label))
    .range([top, height - bottom])
    .padding(0.25);
  const [x0] = x.range() as [number];
  const ticks = x.ticks().filter((tick) => Number.isInteger(Math.log10(tick)));
  const lines = ticks.map(
    (tick) =>
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${height - bottom}" stroke="#adb5bd" stroke-opacity="0.4"/>` +
      `<text x="${x(tick)}" y="${height - bottom + 16}" text-anchor="middle">${tick.toLocaleString("en")}</text>`,
  );
  const rows = bars.map(({ label, system, median, low, high }) => {
    const rowY = y(label) ?? 0;
    const middle = rowY + y.bandwidth() / 2;
    return (
      `<rect x="${x0}" y="${rowY}" width="${(x(median) - x0).toFixed(1)}" height="${y.bandwidth().toFixed(1)}" fill="${colours[system] ?? otherColour}"/>` +
      `<line x1="${x(low).toFixed(1)}" x2="${x(high).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#212529" stroke-width="1.5"/>` +
      `<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${label}</text>` +
      `<text x="${(x(high) + 6).toFixed(1)}" y="${middle + 4}">${short(median)}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="#495057">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="${left}" y="18" font-size="14">Deliveries a second in one room (logarithmic; line: lowest to highest)</text>`,
    ...lines,
    ...rows,
    "</svg>\n",
  ].join("\n");
}
