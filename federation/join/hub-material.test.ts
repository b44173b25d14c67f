import { createPrivateKey, X509Certificate } from 'node:crypto';
import test from 'ava';
import { DNS_NAME, makeHubTls } from './hub-material.ts';

test('the server certificate names every host and chains to the authority', async (t) => {
  const made = await makeHubTls(['hub.example', 'hub', '192.0.2.7', 'fd00::1', '*.hubs.example'], new Date());
  const ca = new X509Certificate(made.caPem);
  const server = new X509Certificate(made.certificatePem);
  t.true(ca.ca);
  t.false(server.ca);
  t.true(server.checkIssued(ca));
  t.true(server.verify(ca.publicKey));
  t.true(server.checkPrivateKey(createPrivateKey(made.keyPem)));
  for (const host of ['hub.example', 'hub', 'one.hubs.example']) t.truthy(server.checkHost(host), host);
  for (const address of ['192.0.2.7', 'fd00::1']) t.truthy(server.checkIP(address), address);
  t.falsy(server.checkHost('other.example'));
  t.falsy(server.checkIP('192.0.2.8'));
  t.true(new Date(server.validTo).getTime() > Date.now() + 9 * 365 * 86_400_000);
  t.true(new Date(server.validFrom).getTime() < Date.now() - 50 * 60_000);
});

test('host names are DNS names', (t) => {
  for (const name of ['hub', 'hub.example', 'a-b.c', '*.hubs.example']) t.regex(name, DNS_NAME);
  for (const name of ['', '-hub', 'hub-', 'hub..example', 'hub/x', 'a.*.b', 'hub example']) t.notRegex(name, DNS_NAME);
});
