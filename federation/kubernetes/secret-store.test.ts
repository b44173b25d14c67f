import { randomUUID } from 'node:crypto';
import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import { tokenStoreContract } from '../join/token-store.contract.ts';
import type { StoredToken } from '../join/token-store.ts';
import { kubeConfigAccess } from './kube-config-access.ts';
import { KubernetesSecretStore } from './kubernetes-secret-store.ts';
import { MemorySecretStore } from './memory-secret-store.ts';
import { secretStoreContract, throwsRetryable } from './secret-store.contract.ts';
import { SecretTokenStore } from './secret-token-store.ts';

const storeOf = (config: KubeConfig, namespace: string): KubernetesSecretStore => new KubernetesSecretStore(new ApiServerClient(kubeConfigAccess(config, 'test')), namespace);

let server: TestApiServer;
let core: CoreV1Api;
test.before(async () => {
  server = await TestApiServer.start();
  core = server.config.makeApiClient(CoreV1Api);
});
test.after.always(async () => {
  await server[Symbol.asyncDispose]();
});

secretStoreContract(test, 'memory', async () => {
  const store = new MemorySecretStore();
  return { store, remove: async (name) => store.remove(name), configMap: async (name) => store.configMap(name) };
});
secretStoreContract(test.serial, 'kubernetes', async () => {
  const namespace = `t-${randomUUID().slice(0, 8)}`;
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  return {
    store: storeOf(server.config, namespace),
    remove: async (name) => void (await core.deleteNamespacedSecret({ name, namespace })),
    configMap: async (name) => (await core.readNamespacedConfigMap({ name, namespace }).catch(() => undefined))?.data,
  };
});

tokenStoreContract(test.serial, 'kubernetes', async () => {
  const namespace = `t-${randomUUID().slice(0, 8)}`;
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  return new SecretTokenStore(storeOf(server.config, namespace));
}, 1000);

test.serial('kubernetes: what the service writes says whose it is', async (t) => {
  await storeOf(server.config, 'default').write('labelled', {}, undefined);
  t.is((await core.readNamespacedSecret({ namespace: 'default', name: 'labelled' })).metadata?.labels?.['app.kubernetes.io/managed-by'], 'landbridge');
});

test.serial('kubernetes: a namespace that is not there is no conflict', async (t) => {
  const error = await throwsRetryable(t, storeOf(server.config, 'nowhere').write('a', {}, undefined), 'kubernetes');
  t.regex(error?.message ?? '', /404/);
});

test.serial('kubernetes: an API server out of reach is told without what was to be written', async (t) => {
  const store = storeOf(server.gatedConfig, 'default');
  server.gate.close();
  for (const attempt of [store.read('a'), store.write('a', { key: 'confidential' }, undefined), store.writeConfigMap('a', {})]) {
    const error = await throwsRetryable(t, attempt, 'kubernetes');
    t.regex(error?.message ?? '', /could not be reached/);
    t.false(JSON.stringify([error?.message, String(error?.cause)]).includes('confidential'));
  }
  server.gate.open();
});

test('join tokens are kept in a Secret, which only the last reader may write', async (t) => {
  const store = new SecretTokenStore(new MemorySecretStore());
  const empty = await store.load();
  t.deepEqual(empty.tokens, []);
  const token: StoredToken = { codeHash: '0'.repeat(64), cluster: 'west', expiresAt: 1, uses: 1, redemptions: [] };
  await store.save({ ...empty, tokens: [token] });
  t.deepEqual((await store.load()).tokens, [token]);
  await throwsRetryable(t, store.save(empty), 'conflict');
  t.deepEqual((await store.load()).tokens, [token]);
});
