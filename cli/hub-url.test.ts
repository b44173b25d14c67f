import test from 'ava';
import fc from 'fast-check';
import { hostsOf, parseHost, parseHubUrl } from './hub-url.ts';

test('hub addresses are taken apart', (t) => {
  const hosts = { 'tls://hub.example:4222': 'hub.example', 'tls://192.0.2.1:1': '192.0.2.1', 'tls://[fd00::1]:65535': 'fd00::1' };
  for (const [text, host] of Object.entries(hosts)) {
    const url = parseHubUrl(text);
    t.is(url.ok && url.value.host, host);
  }
});

test('what is not an address of a hub is refused', (t) => {
  for (const text of ['', 'hub:4222', 'nats://hub:4222', 'tls://hub', 'tls://hub:0', 'tls://hub:65536', 'tls://hub:4222/', 'tls://u@hub:1', 'tls://fd00::1:4222', 'tls://[fd00:::1]:4222', 'tls://1.2.3.400:1', 'tls://-hub:1']) {
    t.false(parseHubUrl(text).ok, text);
  }
  for (const text of ['', '300.1.1.1', 'a_b', '.', 'a'.repeat(64)]) t.false(parseHost(text).ok, text);
});

test('each host comes once, those of addresses first', (t) => {
  const url = parseHubUrl('tls://hub:4222');
  if (!url.ok) return t.fail();
  t.deepEqual(hostsOf([url.value, url.value], ['other', 'hub']), ['hub', 'other']);
});

test('any text has an answer', (t) => {
  fc.assert(fc.property(fc.string().map((text) => `tls://${text}:1`), (text) => typeof parseHubUrl(text).ok === 'boolean' && typeof parseHost(text).ok === 'boolean'));
  t.pass();
});
