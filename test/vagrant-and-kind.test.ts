import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import test from 'ava';
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

test('the Vagrantfile is Ruby', (t) => {
  t.is(execFileSync('ruby', ['-c', inRepository('Vagrantfile')], { encoding: 'utf8' }).trim(), 'Syntax OK');
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
    execFileSync(bash ? 'bash' : 'sh', ['-n', inRepository(file)], { stdio: 'pipe' });
    t.pass();
  });
}
