import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { bundleAgent, bundleFederation } from './program-bundles.ts';

const MODULES = path.resolve(import.meta.dirname, '../node_modules');

const PROGRAMS = [
  { file: 'agent.cjs', bundle: bundleAgent, packages: ['koffi', '@koromix'], environment: {}, complaint: /CLUSTER_ID/ },
  { file: 'federation.cjs', bundle: bundleFederation, packages: [], environment: { LANDBRIDGE_CONFIG: '/nonexistent' }, complaint: /\/nonexistent can not be read/ },
];

for (const { file, bundle, packages, environment, complaint } of PROGRAMS) {
  test(`${file} runs with ${packages[0] ?? 'none'} as its only package`, async (t) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-bundle-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    cpSync(bundle(), path.join(directory, 'dist'), { recursive: true });
    mkdirSync(path.join(directory, 'node_modules'));
    for (const name of packages) symlinkSync(path.join(MODULES, name), path.join(directory, 'node_modules', name));
    const run = promisify(execFile)(process.execPath, [path.join(directory, 'dist', file)], { env: environment, cwd: directory });
    // All of its modules are there when it finds that nobody has told it anything.
    const { code, stderr } = (await t.throwsAsync(run, { any: true })) as { code: number; stderr: string };
    t.is(code, 1);
    t.like(JSON.parse(stderr), { level: 'fatal', code: 'bad-config' });
    t.regex(stderr, complaint);
  });
}
