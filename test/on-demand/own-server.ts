import { Authenticator } from '@landbridge/federation/ca/authenticator.ts';
import { AdsService } from '@landbridge/federation/xds/ads-service.ts';
import type { Resource } from '@landbridge/federation/xds/resource.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, TRUST_BUNDLE_TYPE } from '@landbridge/wire/protocol.ts';
import { pino } from 'pino';
import { type DiscoveryServer, serve } from './discovery-server.ts';
import { encodeAll, type ExampleResource } from './example-mesh.ts';

/** The federation service's own. */
export async function startOwnServer(): Promise<DiscoveryServer> {
  const ads = new AdsService(new Authenticator(async () => ({ username: 'system:serviceaccount:landbridge-system:landbridge-agent', node: 'n', pod: 'agent' }), 'landbridge-system', Date.now), pino({ level: 'silent' }));
  const set = (resources: readonly ExampleResource[]): void => ads.publish({ types: new Map<string, ReadonlyMap<string, Resource>>([[ADDRESS_TYPE, encodeAll(resources)], [AUTHORIZATION_TYPE, new Map()], [TRUST_BUNDLE_TYPE, new Map()]]), isComplete: () => true, allComplete: true, allListed: true });
  set([]);
  return await serve(true, (call) => ads.handle(call), set);
}
