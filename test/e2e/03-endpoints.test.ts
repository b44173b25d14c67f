import test from 'ava';
import { kubectlSucceeds } from '@landbridge/lab/kubectl.ts';
import { accessLog, apply, call, eventually, importedAddresses, kubectl, parseAnswers, scaleEcho, untilImported } from './running-lab.ts';

const export_ = { apiVersion: 'multicluster.x-k8s.io/v1beta1', kind: 'ServiceExport', metadata: { name: 'echo', namespace: 'demo' } };

for (const replicas of [1, 3]) {
  test.serial(`${replicas} pods in east are ${replicas} endpoints in west, and each is called`, async (t) => {
    await scaleEcho(replicas);
    await untilImported(replicas);
    const pods = await eventually(`${replicas} different pods to answer`, async () => {
      const outcome = await call(['--count', String(replicas * 15)]);
      const names = new Set(outcome.status === 0 ? parseAnswers(outcome.stdout).map(({ pod }) => pod) : []);
      return names.size === replicas ? names : undefined;
    });
    t.is(pods.size, replicas);
  });
}

test.serial('a service without endpoints fails at once, with a clear line in the log', async (t) => {
  await scaleEcho(0);
  await untilImported(0);
  // The name and the import stay.
  t.is((await kubectl('west', '-n', 'demo', 'get', 'serviceimport', 'echo', '-o', 'jsonpath={.spec.type}')).trim(), 'ClusterSetIP');
  // Until the agent is told, calls go to pods that are ending, and may fail for that.
  const line = await eventually('a call to be refused for want of endpoints', async () => {
    const { status, stderr } = await call(['--timeout', '20s']);
    t.notRegex(stderr, /deadline|[Tt]imeout/, 'the call hung');
    return status === 0 ? undefined : (await accessLog('west')).findLast((entry) => String(entry['error']).startsWith('no healthy endpoint for'));
  });
  t.is(line['error'], 'no healthy endpoint for echo.demo.svc.clusterset.local:8080');
  t.is(line['level'], 'warn');
});

test.serial('two pods again are two endpoints again', async (t) => {
  await scaleEcho(2);
  await untilImported(2);
  const outcome = await eventually('an answer', async () => {
    const made = await call();
    return made.status === 0 ? made : undefined;
  });
  t.is(parseAnswers(outcome.stdout)[0]?.cluster, 'east');
});

test.serial('deleting the ServiceExport removes the import, and making it again brings it back', async (t) => {
  const exists = async (...args: string[]): Promise<boolean> => await kubectlSucceeds('west', ['-n', 'demo', 'get', ...args], new AbortController().signal);
  const derived = (await kubectl('west', '-n', 'demo', 'get', 'services', '-l', 'multicluster.kubernetes.io/service-name=echo', '-o', 'jsonpath={.items[0].metadata.name}')).trim();
  t.regex(derived, /^derived-[0-9a-f]{10}$/);
  // Whatever comes of it: further tests call the import.
  t.teardown(async () => await apply('east', export_));
  await kubectl('east', '-n', 'demo', 'delete', 'serviceexport', 'echo');
  await eventually('the import to be gone', async () => ((await exists('serviceimport', 'echo')) || (await exists('service', derived)) || (await importedAddresses()).length > 0 ? undefined : true));
  // The DNS server may know the name for a second more; the agent refuses its address, though kube-proxy may still know it.
  await eventually('calls to fail', async () => ((await call()).status === 0 ? undefined : true));
  await apply('east', export_);
  await untilImported(2);
  const outcome = await eventually('an answer', async () => {
    const made = await call();
    return made.status === 0 ? made : undefined;
  });
  t.is(parseAnswers(outcome.stdout)[0]?.cluster, 'east');
});
