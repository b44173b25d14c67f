import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { type Facts, judge } from '@landbridge/cli/checks.ts';
import { FAILURE_REASONS } from '@landbridge/agent/proxy/failure-reasons.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { err, ok } from '@landbridge/core/result.ts';
import * as joinErrors from '@landbridge/federation/join/join-errors.ts';

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8');
const unknown = err(new LandbridgeError('kubernetes', 'not seen'));

test('every check has a section, and every section of the checks is one', (t) => {
  const facts: Facts = { cluster: ok('v1.36.0'), definitions: unknown, federation: unknown, agents: unknown, kernels: unknown, status: unknown, istiod: unknown, corefile: unknown };
  const checks = page.slice(page.indexOf('\n## Checks\n'), page.indexOf('\n## Joining\n'));
  t.deepEqual([...checks.matchAll(/^### (.+)$/gm)].map(([, title]) => title), judge(facts, 0).map(({ id }) => id));
});

test('codes of the table of joins exist', (t) => {
  const joining = page.slice(page.indexOf('\n## Joining\n'), page.indexOf('\n## A call'));
  const codes = [...joining.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code));
  const sources = ['join-errors', 'join-token'].map((name) => readFileSync(path.resolve(import.meta.dirname, `../../federation/join/${name}.ts`), 'utf8')).join('\n');
  t.true(codes.length >= Object.keys(joinErrors).length / 2);
  for (const code of codes) t.true(sources.includes(`'${code}'`), code);
});

test('every reason for which a tunnel fails has its entry, in the order in which a tunnel meets them', (t) => {
  const section = page.slice(page.indexOf('\n## Tunnel failures\n'), page.indexOf('\n## Capture\n'));
  const entries = section.split('\n### ').slice(1).map((entry) => entry.split('\n\n'));
  t.deepEqual(entries.map(([title]) => title), [...FAILURE_REASONS]);
  for (const [title, text = ''] of entries) t.true(text.length > 40, title);
});

test('links lead to headings of the page', (t) => {
  const anchors = new Set([...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-')));
  for (const [, anchor = ''] of page.matchAll(/\]\(#([^)]+)\)/g)) t.true(anchors.has(anchor), anchor);
});
