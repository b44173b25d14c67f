import test from 'ava';
import { drawChart } from './chart.ts';

const chart = (factors: readonly (number | undefined)[]): string =>
  drawChart({ title: 'a < b & "c"', subtitle: 'more', groups: [{ title: 'up', bars: factors.map((factor, index) => ({ label: `p${index}`, factor })) }] });

/** Bars alone are 9 high. */
const bars = (svg: string): { x: number; width: number }[] =>
  [...svg.matchAll(/<rect x="([\d.]+)" y="\d+" width="([\d.]+)" height="9"/g)].map(([, x = '', width = '']) => ({ x: Number(x), width: Number(width) }));

test('half as good is as long to the left as twice as good to the right', (t) => {
  const [twice, half] = bars(chart([2, 0.5]));
  t.is(twice?.width, half?.width);
  t.is((half?.x ?? 0) + (half?.width ?? 0), twice?.x ?? 0);
});

test('the scale holds the largest bar, and what is beyond all bounds is cut with its number still told', (t) => {
  const [four] = bars(chart([4]));
  const [thousand] = bars(chart([1000]));
  t.true((four?.x ?? 0) + (four?.width ?? 0) <= 860);
  t.true((thousand?.x ?? 0) + (thousand?.width ?? 0) <= 860);
  t.true(chart([1000]).includes('>1000.00<'));
});

test('nothing to compare is no bar', (t) => {
  t.is(bars(chart([undefined, 2])).length, 1);
});

test('words are escaped, and dark grounds are thought of', (t) => {
  const svg = chart([1]);
  t.true(svg.includes('a &lt; b &amp; &quot;c&quot;'));
  t.regex(svg, /prefers-color-scheme: dark/);
});
