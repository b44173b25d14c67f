import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { serviceAccess } from './service-access.ts';

const KUBECONFIG = { 'current-context': 'c', clusters: [{ name: 'c', cluster: { server: 'https://192.0.2.1:6443', 'certificate-authority-data': Buffer.from('roots').toString('base64') } }], users: [{ name: 'u', user: { token: 'secret' } }], contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }] };

test('in a pod it is the API server that the kubelet tells of', async (t) => {
  const { server, userAgent } = await serviceAccess({ KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' }, 'test/1');
  t.deepEqual([server.href, userAgent], ['https://10.96.0.1:6443/', 'test/1']);
  t.is((await serviceAccess({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, '')).server.href, 'https://[fd00::1]/');
});

test('a kubeconfig that is named comes before it', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-access-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'config');
  writeFileSync(file, JSON.stringify(KUBECONFIG));
  const { server, roots, token } = await serviceAccess({ KUBECONFIG: file, KUBERNETES_SERVICE_HOST: '10.96.0.1' }, 'test/1');
  t.deepEqual([server.href, String(roots()), token?.()], ['https://192.0.2.1:6443/', 'roots', 'secret']);
});

test('elsewhere it is told what is missing', async (t) => {
  await t.throwsAsync(serviceAccess({}, 'test/1'), { message: /KUBERNETES_SERVICE_HOST is not set/, code: 'bad-config' });
});

test('nothing that the service loads brings the clients of all APIs', (t) => {
  const loaded = execFileSync(process.execPath, ['--input-type=module', '-e', `
    import { registerHooks } from 'node:module';
    registerHooks({ load: (url, context, next) => { if (url.includes('/@kubernetes/client-node/')) console.log(url); return next(url, context); } });
    await import(${JSON.stringify(path.resolve(import.meta.dirname, '../clusterset/clusterset.ts'))});
    await import(${JSON.stringify(path.resolve(import.meta.dirname, '../hub/membership.ts'))});
    await import(${JSON.stringify(path.resolve(import.meta.dirname, '../outputs/writer.ts'))});
    for (const each of ['kubernetes-secret-store', 'pod-look-up', 'service-access', 'token-review']) await import(${JSON.stringify(import.meta.dirname)} + '/' + each + '.ts');
    console.log('all');
  `], { encoding: 'utf8' });
  t.deepEqual(loaded.trim().split('\n'), ['all']);
});
