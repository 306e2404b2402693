/**
 * screens: `npm run screens` draws fixtures/screens anew: the golden screens as text, and README's pictures from the
 * cells of the real screen. What changed is reviewed as a diff.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type GoldenScreen, goldenScreens, goldenText } from "./helpers/goldenScreens.ts";

const cellWidth = 8.4;
const rowHeight = 18;

/** A screen as an SVG picture: a rectangle for each run of one background, a text for each character. */
function pictureOf({ cells }: GoldenScreen): string {
  const [columns, rows] = [cells[0]?.length ?? 0, cells.length];
  const drawn: string[] = [];
  const colorOf = (style: string, mark: "fg" | "bg", otherwise: string): string => {
    const found = new RegExp(`${mark}([0-9a-f]+)`).exec(style)?.[1];
    return found === undefined ? otherwise : `#${found.padStart(6, "0")}`;
  };
  for (const [y, row] of cells.entries()) {
    for (const [x, { text, style }] of row.entries()) {
      const wide = row[x + 1]?.text === "" ? 2 : 1;
      const background = colorOf(style, "bg", "");
      const place = `x="${(x * cellWidth + 8).toFixed(1)}"`;
      if (background !== "" && text !== "") {
        const size = `width="${(wide * cellWidth + 0.3).toFixed(1)}" height="${rowHeight}"`;
        drawn.push(`<rect ${place} y="${y * rowHeight + 8}" ${size} fill="${background}"/>`);
      }
      if (text.trim() === "") continue;
      const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
      const weight = /bold/.test(style) ? ' font-weight="bold"' : "";
      const fill = colorOf(style, "fg", "#d6d6de");
      drawn.push(`<text ${place} y="${y * rowHeight + 21}" fill="${fill}"${weight}>${escaped}</text>`);
    }
  }
  const [width, height] = [Math.ceil(columns * cellWidth + 16), rows * rowHeight + 16];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="ui-monospace,Menlo,Consolas,monospace" font-size="14">
<rect width="${width}" height="${height}" rx="8" fill="#16181d"/>
${drawn.join("\n")}
</svg>
`;
}

const folder = fileURLToPath(new URL("../fixtures/screens/", import.meta.url));
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const screen of await goldenScreens()) {
  writeFileSync(`${folder}${screen.name}.txt`, goldenText(screen));
  if (/^talk-..-80x24$/.test(screen.name)) writeFileSync(`${folder}${screen.name}.svg`, pictureOf(screen));
}
process.exit(0);
