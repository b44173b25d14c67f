import { parseAuthorization } from '@landbridge/agent/discovery/authorization-resource.ts';
import { convertAuthorizationPolicy } from '@landbridge/federation/policy/authorization-policy.ts';
import { exampleAuthentication, exampleAuthorization, randomPolicies } from '@landbridge/federation/policy/example-policies.ts';
import { parsePeerAuthentication, PeerAuthentications } from '@landbridge/federation/policy/peer-authentication.ts';
import { encodeAuthorization } from '@landbridge/federation/xds/authorization-resources.ts';
import test from 'ava';
import fc from 'fast-check';

const ROOT = 'shop';

test('an agent reads exactly the policy that the federation service made', (t) => {
  const selector = fc.constantFrom({}, { selector: { matchLabels: { app: 'cart' } } });
  fc.assert(fc.property(randomPolicies(false), selector, fc.boolean(), (policies, more, dryRun) => {
    for (const { action, namespace, rules } of policies) {
      const policy = convertAuthorizationPolicy(exampleAuthorization({ action, rules, ...more }, { namespace, annotations: { 'istio.io/dry-run': String(dryRun) } }), ROOT)?.policy;
      if (policy === undefined) return t.fail('a policy that is none');
      t.deepEqual(parseAuthorization(encodeAuthorization(policy)), { ok: true, value: policy });
    }
  }));
  t.pass();
});

test('so it is with what PeerAuthentications become', (t) => {
  const parsed = parsePeerAuthentication(exampleAuthentication({ selector: { matchLabels: { app: 'cart' } }, mtls: { mode: 'STRICT' }, portLevelMtls: { 9090: { mode: 'PERMISSIVE' } } }), 'root');
  const policies = new PeerAuthentications(parsed === undefined ? [] : [parsed], 'root').policies();
  t.is(policies.length, 2);
  for (const policy of policies) t.deepEqual(parseAuthorization(encodeAuthorization(policy)), { ok: true, value: policy });
});
