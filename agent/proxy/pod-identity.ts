import type { ConnectionFacts } from '@landbridge/core/authorization.ts';
import { parseSpiffeId } from '@landbridge/core/identity.ts';
import type { PodSpec } from './thread-messages.ts';

/** The parts of the identity that the agent itself vouches for. */
export function identityOf({ identity }: PodSpec): ConnectionFacts['identity'] {
  const parsed = parseSpiffeId(identity);
  return parsed.ok ? parsed.value : undefined;
}
