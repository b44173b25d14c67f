/** One bar: how many times as good as the yardstick, whatever is measured. */
export interface Bar {
  readonly label: string;
  /** More than 1 is better than the yardstick; undefined where there is nothing to compare. */
  readonly factor: number | undefined;
}

export interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly groups: readonly Group[];
}

const WIDTH = 860;
const LEFT = 275;
/** Of a letter in the legend, and of what stands before and after a label there. */
const LETTER = 6.6;
const AROUND_LABEL = 34;
const RIGHT = 60;
const TOP = 100;
const BAR = 11;
const GAP = 9;
/** Doublings that the scale has to each side at least, and at most: what is beyond is cut, its number still told. */
const LEAST_DOUBLINGS = 1;
const MOST_DOUBLINGS = 5;
/** Told apart on a white ground and on a dark one, and by people who see red and green alike. */
const COLOURS = ['#3b82f6', '#d97706', '#8b8b93', '#a855f7', '#14b8a6', '#e11d72'];

/** Horizontal bars from the yardstick's line at 1 on a logarithmic scale: to the right is better, half as good is as long as twice. */
export function drawChart({ title, subtitle, groups }: Chart): string {
  const labels = [...new Set(groups.flatMap(({ bars }) => bars.map(({ label }) => label)))];
  const colourOf = (label: string): string => COLOURS[labels.indexOf(label) % COLOURS.length] ?? '#888';
  const doublings = scaleOf(groups);
  const unit = (WIDTH - LEFT - RIGHT) / (2 * doublings);
  const middle = LEFT + doublings * unit;
  const parts: string[] = [];
  let y = TOP;
  for (const group of groups) {
    const height = group.bars.length * BAR;
    parts.push(text(LEFT - 12, y + height / 2 + 4, group.title, 'end'));
    for (const { label, factor } of group.bars) {
      if (factor !== undefined) {
        const length = Math.max(-doublings, Math.min(doublings, Math.log2(factor))) * unit;
        const [from, to] = length < 0 ? [middle + length, middle] : [middle, middle + length];
        parts.push(`<rect x="${round(from)}" y="${y}" width="${round(Math.max(1, to - from))}" height="${BAR - 2}" fill="${colourOf(label)}"/>`);
        parts.push(length < 0 ? text(from - 4, y + BAR - 3, factor.toFixed(2), 'end', 'small') : text(to + 4, y + BAR - 3, factor.toFixed(2), 'start', 'small'));
      }
      y += BAR;
    }
    y += GAP;
  }
  const grid = Array.from({ length: 2 * doublings + 1 }, (_, index) => {
    const at = round(LEFT + index * unit);
    const power = index - doublings;
    const name = power < 0 ? `1/${2 ** -power}` : String(2 ** power);
    return `<line x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${y}" class="${power === 0 ? 'axis' : 'grid'}"/>${text(at, TOP - 14, `${name}×`, 'middle', 'small')}`;
  });
  let x = 16 - AROUND_LABEL;
  let before = 0;
  const legend = labels.map((label) => {
    x += AROUND_LABEL + before * LETTER;
    before = label.length;
    return `<rect x="${round(x)}" y="52" width="11" height="11" fill="${colourOf(label)}"/>${text(x + 16, 62, label, 'start')}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 8}" width="${WIDTH}" height="${y + 8}" role="img" aria-label="${escaped(title)}">
<style>
text { font: 12px system-ui, sans-serif; fill: #24292f; } .small { font-size: 10px; fill: #57606a; } .title { font-size: 15px; font-weight: 600; }
.grid { stroke: #d0d7de; stroke-width: 1; } .axis { stroke: #24292f; stroke-width: 1.5; } .ground { fill: #ffffff; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .small { fill: #9198a1; } .grid { stroke: #3d444d; } .axis { stroke: #e6edf3; } .ground { fill: #0d1117; } }
</style>
<rect class="ground" width="${WIDTH}" height="${y + 8}"/>
${text(16, 24, title, 'start', 'title')}
${text(16, 42, subtitle, 'start', 'small')}
${[...grid, ...legend, ...parts].join('\n')}
</svg>
`;
}

function scaleOf(groups: readonly Group[]): number {
  const sizes = groups.flatMap(({ bars }) => bars.map(({ factor }) => (factor === undefined ? 0 : Math.abs(Math.log2(factor)))));
  return Math.min(MOST_DOUBLINGS, Math.max(LEAST_DOUBLINGS, Math.ceil(Math.max(0, ...sizes))));
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end', style = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${style === '' ? '' : ` class="${style}"`}>${escaped(words)}</text>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

const escaped = (words: string): string => words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
