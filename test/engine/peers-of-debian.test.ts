/** curl and nghttp of Debian 12 can not ask for a tunnel: nghttp knows no CONNECT, and curl only from 8.1 on over HTTP/2. What they can ask is answered as it should be. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { HERE, TestEngine } from './engine.ts';

const authority = new TestAuthority('east.example');
const client = authority.certificate('client');
const directory = mkdtempSync(path.join(tmpdir(), 'landbridge-peers-'));
const [chain, key] = [path.join(directory, 'own.crt'), path.join(directory, 'own.key')];
writeFileSync(chain, client.chainPem);
writeFileSync(key, client.keyPem);
const engine = new TestEngine();
engine.trust(authority);
const pod = engine.server(authority.certificate('server'));
test.after.always(async () => {
  await engine[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

test('nghttp understands the settings, and that its request is not for a tunnel', async (t) => {
  const { stdout } = await promisify(execFile)('nghttp', ['--verbose', '--no-verify-peer', `--cert=${chain}`, `--key=${key}`, `https://${HERE}:${pod.port}/`]);
  t.regex(stdout, /The negotiated protocol: h2/);
  for (const setting of ['HEADER_TABLE_SIZE\\(0x01\\):0', 'MAX_CONCURRENT_STREAMS\\(0x03\\):1000', 'INITIAL_WINDOW_SIZE\\(0x04\\):262144', 'MAX_FRAME_SIZE\\(0x05\\):1048576', 'MAX_HEADER_LIST_SIZE\\(0x06\\):65536']) t.regex(stdout, new RegExp(setting));
  t.regex(stdout, /recv HEADERS frame <length=\d+, flags=0x05/, 'END_STREAM and END_HEADERS');
  t.regex(stdout, /:status: 400/);
});

test('curl gets a status', async (t) => {
  const { stdout } = await promisify(execFile)('curl', ['--silent', '--insecure', '--http2', '--cert', chain, '--key', key, '--write-out', '%{http_version} %{http_code}', `https://${HERE}:${pod.port}/`]);
  t.is(stdout, '2 400');
});
