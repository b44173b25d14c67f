import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { REPOSITORY } from './command.ts';

/*
 * Neither virtual machines nor Docker are to be had where these tests run. What can be said without them is said here;
 * the script that does the rest of the work, last-mile.sh, runs for real in the end-to-end tests.
 */

const RANGE = { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+\\.\\d+/\\d+$' };
/** The fields of kind's v1alpha4 Cluster that a configuration uses here or could (sigs.k8s.io/kind, pkg/apis/config/v1alpha4). */
const KIND_CLUSTER = {
  type: 'object',
  additionalProperties: false,
  required: ['kind', 'apiVersion', 'nodes'],
  properties: {
    kind: { const: 'Cluster' },
    apiVersion: { const: 'kind.x-k8s.io/v1alpha4' },
    name: { type: 'string', pattern: '^[a-z0-9][a-z0-9.-]*$' },
    featureGates: { type: 'object', additionalProperties: { type: 'boolean' } },
    runtimeConfig: { type: 'object', additionalProperties: { type: 'string' } },
    kubeadmConfigPatches: { type: 'array', items: { type: 'string' } },
    containerdConfigPatches: { type: 'array', items: { type: 'string' } },
    networking: {
      type: 'object',
      additionalProperties: false,
      properties: {
        ipFamily: { enum: ['ipv4', 'ipv6', 'dual'] },
        apiServerPort: { type: 'integer' },
        apiServerAddress: { type: 'string' },
        podSubnet: RANGE,
        serviceSubnet: RANGE,
        disableDefaultCNI: { type: 'boolean' },
        kubeProxyMode: { enum: ['iptables', 'nftables', 'ipvs', 'none'] },
        dnsSearch: { type: 'array', items: { type: 'string' } },
      },
    },
    nodes: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        properties: {
          role: { enum: ['control-plane', 'worker'] },
          image: { type: 'string', pattern: '^kindest/node:v\\d+\\.\\d+\\.\\d+(@sha256:[0-9a-f]{64})?$' },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
          kubeadmConfigPatches: { type: 'array', items: { type: 'string' } },
        },
      },
    },
  },
};

const inRepository = (file: string): string => path.join(REPOSITORY, file);

function runs(t: ExecutionContext, argv: readonly [string, ...string[]], options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {}): string {
  const [command, ...args] = argv;
  const { error, status, stdout, stderr } = spawnSync(command, args, { cwd: REPOSITORY, encoding: 'utf8', input: options.input ?? '', env: { ...process.env, ...options.env } });
  if (error !== undefined) t.fail(`${command} can not be started (${error.message}): install it, or run the tests as root so that they do`);
  t.is(status, 0, stdout + stderr);
  return stdout + stderr;
}

test('the Vagrantfile is Ruby without a warning', (t) => {
  t.is(runs(t, ['ruby', '-wc', 'Vagrantfile']).trim(), 'Syntax OK');
});

test('the Vagrantfile has only settings that Vagrant knows', (t) => {
  const home = mkdtempSync(path.join(tmpdir(), 'landbridge-vagrant-'));
  t.teardown(() => rmSync(home, { recursive: true, force: true }));
  // No virtual machines can be made here, so the settings that are a provider's own are left out.
  const said = runs(t, ['vagrant', 'validate', '--ignore-provider'], { env: { VAGRANT_HOME: home, VAGRANT_DOTFILE_PATH: path.join(home, 'state'), VAGRANT_CHECKPOINT_DISABLE: '1' } });
  t.regex(said, /validated successfully/);
});

/** Heredocs of the Vagrantfile named SHELL, with a word for each `#{…}` that Ruby would fill in. */
const provisioners = [...readFileSync(inRepository('Vagrantfile'), 'utf8').matchAll(/<<~SHELL\n([\s\S]*?)\n *SHELL\n/g)].map(([, text = '']) => {
  const lines = text.split('\n');
  const indentation = Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)));
  return lines.map((line) => line.slice(indentation)).join('\n').replaceAll(/#\{[^}]*\}/g, 'word');
});

test('what the Vagrantfile runs in its machines are shell scripts', (t) => {
  t.is(provisioners.length, 3);
  for (const script of provisioners) runs(t, ['sh', '-n'], { input: `${script}\n` });
});

for (const file of ['lab/kind/east.yaml', 'lab/kind/west.yaml']) {
  test(`${file} is a cluster that kind understands`, (t) => {
    const validate = new Ajv({ strict: true, allErrors: true }).compile(KIND_CLUSTER);
    t.true(validate(parse(readFileSync(inRepository(file), 'utf8'))), JSON.stringify(validate.errors));
  });
}

test('the clusters of kind have ranges of their own', (t) => {
  const ranges = ['east', 'west'].flatMap((name) => Object.values((parse(readFileSync(inRepository(`lab/kind/${name}.yaml`), 'utf8')) as { networking: Record<string, string> }).networking));
  t.is(new Set(ranges).size, 4);
});

for (const file of globSync('{lab,test,wire,.ci}/**/{*.sh,run}', { cwd: REPOSITORY, exclude: (name) => name === 'node_modules' })) {
  test(`${file} is a shell script`, (t) => {
    const bash = readFileSync(inRepository(file), 'utf8').startsWith('#!/usr/bin/env bash') || file === '.ci/run';
    runs(t, [bash ? 'bash' : 'sh', '-n', file]);
  });
}
