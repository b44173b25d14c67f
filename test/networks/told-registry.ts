import { Registry } from '@landbridge/agent/discovery/registry.ts';
import { parseAddress } from '@landbridge/agent/discovery/wds-address.ts';
import type { addressResources } from '@landbridge/federation/xds/address-resources.ts';

/** What an agent knows that was told all of this. @throws Error for a resource that no agent can read */
export function registryTold(resources: ReturnType<typeof addressResources>): Registry {
  const registry = new Registry();
  const updated = [...resources.values()].map(({ bytes }) => {
    const parsed = parseAddress(bytes);
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  });
  registry.apply({ updated, removed: [] });
  return registry;
}
