import type { ConnectionFacts } from '@landbridge/core/authorization.ts';
import { parseSpiffeId } from '@landbridge/core/identity.ts';
import { type IpAddress, isIpv4 } from '@landbridge/core/ip-address.ts';
import type { SocketAddress } from '@landbridge/ebpf/capture-layout.ts';
import type { PodSpec } from './thread-messages.ts';

/** The parts of the identity that the agent itself vouches for. */
export function identityOf({ identity }: PodSpec): ConnectionFacts['identity'] {
  const parsed = parseSpiffeId(identity);
  return parsed.ok ? parsed.value : undefined;
}

/**
 * How a pod is seen by whom it calls: at its own address of the target's family, whatever address and family its
 * application has bound or chosen, as it would be over the network.
 */
export function sourceFor({ addresses }: PodSpec, { ip, port }: SocketAddress, target: SocketAddress): SocketAddress {
  const isOfTarget = (address: string): boolean => isIpv4(address as IpAddress) === isIpv4(target.ip as IpAddress);
  if (addresses.includes(ip) && isOfTarget(ip)) return { ip, port };
  return { ip: addresses.find(isOfTarget) ?? addresses[0] ?? ip, port };
}
