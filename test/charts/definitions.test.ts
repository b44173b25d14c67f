import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Definition, TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import { parse } from 'yaml';
import { CHARTS, type Manifest, render } from './render.ts';

const NAMES = ['authorizationpolicies', 'clusterproperties', 'destinationrules', 'peerauthentications', 'serviceentries', 'workloadentries'] as const;

/** As if somebody had made it; `owner` is the release of helm that did. */
function definition(name: (typeof NAMES)[number], owner: string | undefined): Definition {
  const { metadata, ...rest } = parse(readFileSync(path.join(CHARTS, 'federation/definitions', `${name}.yaml`), 'utf8')) as Manifest;
  // Kinds of Kubernetes' own groups have to say who has approved of them.
  const approved = Object.fromEntries(Object.entries(metadata.annotations as Record<string, string>).filter(([key]) => key.startsWith('api-approved.')));
  const annotations = owner === undefined ? approved : { ...approved, 'meta.helm.sh/release-name': owner, 'meta.helm.sh/release-namespace': 'landbridge-system' };
  return { ...rest, metadata: { name: metadata.name, annotations, labels: { 'app.kubernetes.io/managed-by': 'Helm' } } };
}

test('definitions that are somebody else’s stay as they are, this release’s own are kept up to date', async (t) => {
  await using server = await TestApiServer.start();
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-charts-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const kubeconfig = path.join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, server.config.exportConfig());
  const defined = async (): Promise<string[]> => (await render('federation', { 'cluster.name': 'east' }, { kubeconfig })).filter(({ kind }) => kind === 'CustomResourceDefinition').map(({ metadata }) => String(metadata.name).split('.')[0] ?? '');
  t.deepEqual(await defined(), [...NAMES]);
  // As helm's own apply does: a word too many, such as behind a comma, is no part of a description.
  for (const name of NAMES) await t.notThrowsAsync(server.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions?fieldValidation=Strict&dryRun=All', definition(name, undefined)), name);
  await server.define(definition('authorizationpolicies', 'istio-base'));
  t.deepEqual(await defined(), ['clusterproperties', 'destinationrules', 'peerauthentications', 'serviceentries', 'workloadentries']);
  await server.define(definition('peerauthentications', 'landbridge-federation'), definition('serviceentries', undefined));
  t.deepEqual(await defined(), ['clusterproperties', 'destinationrules', 'peerauthentications', 'workloadentries']);
});
