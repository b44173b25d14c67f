import { CoreV1Api, CustomObjectsApi } from '@kubernetes/client-node';
import test from 'ava';
import { TestApiServer } from './test-api-server.ts';

test('a test’s API server keeps its objects over a kill, can be put out of reach, and is gone afterwards', async (t) => {
  await using server = await TestApiServer.start();
  const core = server.config.makeApiClient(CoreV1Api);
  const gated = server.gatedConfig.makeApiClient(CoreV1Api);
  await core.createNamespace({ body: { metadata: { name: 'demo' } } });
  const imports = { group: 'multicluster.x-k8s.io', version: 'v1beta1', plural: 'serviceimports' };
  t.like(await server.config.makeApiClient(CustomObjectsApi).listClusterCustomObject(imports), { kind: 'ServiceImportList', items: [] });
  await server.kill();
  await t.throwsAsync(core.readNamespace({ name: 'demo' }));
  await server.boot();
  t.is((await core.readNamespace({ name: 'demo' })).metadata?.name, 'demo');
  t.is((await gated.readNamespace({ name: 'demo' })).metadata?.name, 'demo');
  server.gate.close();
  await t.throwsAsync(gated.readNamespace({ name: 'demo' }));
  server.gate.open();
  t.is((await gated.readNamespace({ name: 'demo' })).metadata?.name, 'demo');
  await server[Symbol.asyncDispose]();
  await t.throwsAsync(core.readNamespace({ name: 'demo' }));
});
