import { LandbridgeError } from '@landbridge/core/errors.ts';
import { type HubAuthority, parseHubAuthority } from '../join/credentials.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';

const NAME = 'landbridge-hub-authority';

/** What makes a cluster the founder; undefined where there is none. @throws LandbridgeError `bad-credentials` */
export async function readHubAuthority(secrets: Pick<SecretStore, 'read'>): Promise<HubAuthority | undefined> {
  const secret = await secrets.read(NAME);
  if (secret === undefined) return undefined;
  const parsed = parseHubAuthority(secret.values['hub.json'] ?? '');
  if (!parsed.ok) throw new LandbridgeError('bad-credentials', `the Secret ${NAME} can not be used: ${parsed.error}`, { hint: 'Make it with landbridge hub init.' });
  return parsed.value;
}
