/** Why a join does not succeed. One sentence and one hint for each; the codes are kept for scripts. */
import { LandbridgeError } from '@landbridge/core/errors.ts';

const NEW_TOKEN = 'Make a new token in the founding cluster: landbridge token create';

export function tokenUsed(cluster: string): LandbridgeError {
  return new LandbridgeError('token-used', `The join token for cluster "${cluster}" was used already.`, {
    hint: `${NEW_TOKEN} ${cluster}. If it was not you who used it, look at the members with landbridge status: someone else may hold the name.`,
  });
}

export function tokenExpired(cluster: string, expiresAt: number): LandbridgeError {
  return new LandbridgeError('token-expired', `The join token for cluster "${cluster}" expired at ${new Date(expiresAt * 1000).toISOString()}.`, {
    hint: `${NEW_TOKEN} ${cluster}. If it is new, compare the clocks of both clusters.`,
  });
}

export function tokenRefusedByHub(cluster: string, cause: unknown): LandbridgeError {
  return new LandbridgeError('token-expired', `The hub no longer accepts the join token for cluster "${cluster}".`, {
    hint: `${NEW_TOKEN} ${cluster}. If it is new, compare the clocks of the hub and both clusters, and ask whether the hub was set up anew.`,
    cause,
  });
}

export function tokenUnknown(): LandbridgeError {
  return new LandbridgeError('token-unknown', 'The founding cluster does not know this join token.', { hint: `It may be days old, or the founder's tokens were deleted. ${NEW_TOKEN} CLUSTER.` });
}

export function tokenForAnotherCluster(tokenCluster: string, cluster: string): LandbridgeError {
  return new LandbridgeError('token-for-another-cluster', `The join token is for cluster "${tokenCluster}", but this cluster is named "${cluster}".`, {
    hint: `Use the token in "${tokenCluster}", or make one for this name: landbridge token create ${cluster}.`,
  });
}

export function alreadyJoined(cluster: string): LandbridgeError {
  return new LandbridgeError('already-joined', `cluster ${cluster} is a member of a clusterset already`, {
    hint: 'To join another one, delete the Secret landbridge-hub-credentials and restart the federation service.',
  });
}

export function notJoined(cluster: string): LandbridgeError {
  return new LandbridgeError('not-joined', `Cluster "${cluster}" is a member of no federation.`, { hint: 'It joins one with landbridge join.' });
}

export function clusterNameTaken(cluster: string): LandbridgeError {
  return new LandbridgeError('cluster-name-taken', `Another cluster is already a member under the name "${cluster}".`, {
    hint: 'Give one of them another name (value cluster.name of the chart); names are unique in a federation.',
  });
}

export function clusterNameHeld(cluster: string, until: number): LandbridgeError {
  return new LandbridgeError('cluster-name-held', `A cluster named "${cluster}" was revoked: nobody may join under this name before ${new Date(until).toISOString()}.`, {
    hint: 'Give the cluster another name (value cluster.name of the chart), so that nobody takes it for the one that was revoked.',
  });
}

export function memberUnknown(cluster: string): LandbridgeError {
  return new LandbridgeError('member-unknown', `There is no member "${cluster}".`, { hint: 'landbridge status lists the members.' });
}

export function keyNotCurrent(cluster: string): LandbridgeError {
  return new LandbridgeError('key-not-current', `The request was not signed by the key that cluster "${cluster}" has.`, { hint: 'Another replica may have rotated the keys meanwhile: look at the log of landbridge-federation. Where the keys are lost, revoke the cluster.' });
}

export function founderStays(cluster: string): LandbridgeError {
  return new LandbridgeError('founder-stays', `Cluster "${cluster}" is the founder: it can neither leave nor be revoked.`, { hint: 'To end the federation, let all others leave, then delete the Secrets landbridge-hub-authority and landbridge-hub-credentials here.' });
}

export function memberRevoked(cluster: string): LandbridgeError {
  return new LandbridgeError('member-revoked', `Cluster "${cluster}" was removed from the federation, and its key can not come back.`, {
    hint: 'Delete the Secret landbridge-hub-credentials in that cluster, so that it makes a new key, and join with a new token.',
  });
}

export function keyTaken(): LandbridgeError {
  return new LandbridgeError('key-taken', 'A key of this cluster belongs to another member already.', { hint: 'Delete the Secret landbridge-join-keys here, so that this cluster makes keys of its own.' });
}

export function trustDomainTaken(trustDomain: string, owner: string): LandbridgeError {
  return new LandbridgeError('trust-domain-taken', `The trust domain "${trustDomain}" belongs to cluster "${owner}" already.`, {
    hint: 'Give this cluster a trust domain of its own (value cluster.trustDomain of the chart); without it, it is CLUSTER.landbridge.',
  });
}

export function rootTaken(owner: string): LandbridgeError {
  return new LandbridgeError('root-taken', `Cluster "${owner}" already has this cluster's root certificate.`, {
    hint: 'Each cluster has a root of its own. Delete the copied Secret landbridge-ca here and restart landbridge-federation: it makes a new one.',
  });
}

export function hubUnreachable(urls: readonly string[], cause: unknown): LandbridgeError {
  const reason = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';
  return new LandbridgeError('hub-unreachable', `The hub can not be reached at ${urls.join(', ')}${reason}.`, {
    hint: 'See that the hub runs and that pods of this cluster can reach that address and port; the token stays valid.',
    cause,
    retryable: true,
  });
}

export function founderUnreachable(cause?: unknown): LandbridgeError {
  return new LandbridgeError('founder-unreachable', 'The hub is there, but the founding cluster does not answer.', {
    hint: 'See in the founding cluster that landbridge-federation runs and is connected: landbridge check. The token stays valid.',
    cause,
    retryable: true,
  });
}

export function founderBusy(): LandbridgeError {
  return new LandbridgeError('founder-busy', 'The founding cluster has too many joins at once.', { hint: 'Try again in a minute; the token stays valid.', retryable: true });
}

export function tooManyAttempts(): LandbridgeError {
  return new LandbridgeError('too-many-attempts', 'With this join token too many attempts failed.', { hint: 'Wait a minute, and look at what the first of them said.' });
}

export function founderFailed(cause: unknown): LandbridgeError {
  return new LandbridgeError('founder-failed', 'The founding cluster could not finish the join.', {
    hint: 'Look at the log of landbridge-federation in the founding cluster; the same token may be used again from here.',
    cause,
    retryable: true,
  });
}

export function redeemMalformed(reason: string): LandbridgeError {
  return new LandbridgeError('redeem-malformed', `The request to join is not valid: ${reason}.`, { hint: 'Run the same version of Landbridge in both clusters.' });
}

export function answerMalformed(reason: string): LandbridgeError {
  return new LandbridgeError('answer-malformed', `The founding cluster's answer is not valid: ${reason}.`, { hint: 'Run the same version of Landbridge in both clusters.' });
}
