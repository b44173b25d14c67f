import { KubernetesObjectApi } from '@kubernetes/client-node';
import { ApiServerClient } from '@landbridge/kubernetes/api-server-client.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import test from 'ava';
import { pino } from 'pino';
import { kubeConfigAccess } from '../kubernetes/kube-config-access.ts';
import { KubernetesObjectSource } from '../kubernetes/kubernetes-object-source.ts';
import { Writer } from '../outputs/writer.ts';
import { examplePolicy } from './example-policies.ts';
import { parseImportPolicy } from './import-policy.ts';
import { ImportPolicyStatuses } from './import-policy-statuses.ts';
import { readImportPolicies } from './import-policies.ts';

const silent = pino({ level: 'silent' });
const SPECS = {
  right: [{ allow: [] }, { allow: [{}] }, { governs: { namespaces: ['shop'], services: ['cart'] }, allow: [{ clusters: ['west'], namespaces: ['shop'], services: ['cart'], ranges: ['10.2.0.0/16', 'fd00::/48'], maxSharePercent: 100, unlessLocal: true }] }],
  wrong: [{}, { allow: {} }, { allow: [{ clusters: [] }] }, { allow: [{ clusters: ['West'] }] }, { allow: [{ clusters: ['a', 'a'.repeat(64)] }] }, { governs: { namespaces: 'shop' }, allow: [] }, { allow: [{ maxSharePercent: 101 }] }, { allow: [{ maxSharePercent: 1.5 }] }, { allow: [{ unlessLocal: 'yes' }] }, { allow: Array.from({ length: 257 }, () => ({})) }],
} as const;

test('the API server takes what is understood, refuses what is not, and shows the conditions that are written', async (t) => {
  await using server = await TestApiServer.start();
  const client = KubernetesObjectApi.makeApiClient(server.config);
  for (const [i, spec] of SPECS.right.entries()) {
    t.is(parseImportPolicy(examplePolicy(spec)).fault, undefined, JSON.stringify(spec));
    await t.notThrowsAsync(client.create(examplePolicy(spec, `right-${i}`)), JSON.stringify(spec));
  }
  for (const spec of SPECS.wrong) {
    t.not(parseImportPolicy(examplePolicy(spec)).fault, undefined, JSON.stringify(spec));
    await t.throwsAsync(client.create(examplePolicy(spec, 'wrong')), undefined, JSON.stringify(spec));
  }
  // Unknown members of others are dropped by the API server, or refused where the client asks for it.
  const stop = new AbortController();
  const changed = (): void => next.resolve();
  let next = Promise.withResolvers<void>();
  const source = new KubernetesObjectSource(new ApiServerClient(kubeConfigAccess(server.config, 'landbridge-test/1')), { apiVersion: 'landbridge.dev/v1alpha1', kind: 'ImportPolicy', plural: 'importpolicies' }, silent);
  source.start(changed, stop.signal);
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      await next.promise;
      next = Promise.withResolvers();
    }
  };
  await until(() => source.list().length === SPECS.right.length);
  t.true(await new ImportPolicyStatuses(new Writer(kubeConfigAccess(server.config, 'test'), silent)).write(readImportPolicies(source.list()), new Map(), new Date(), 0));
  const accepted = (): number => source.list().filter((object) => JSON.stringify(object).includes('"reason":"Accepted"')).length;
  await until(() => accepted() === SPECS.right.length);
  t.is(accepted(), SPECS.right.length);
  stop.abort();
});
