import { AuthenticationV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { TokenReviewer } from '../ca/token-reviews.ts';

/** Extra claims of bound service account tokens (KEP-4193). */
const NODE_NAME = 'authentication.kubernetes.io/node-name';
const POD_NAME = 'authentication.kubernetes.io/pod-name';

export function tokenReviewer(config: KubeConfig): TokenReviewer {
  const api = config.makeApiClient(AuthenticationV1Api);
  return async (token, audience) => {
    const { status } = await api.createTokenReview({ body: { spec: { token, audiences: [audience] } } });
    const username = status?.user?.username;
    if (status?.authenticated !== true || username === undefined || status.audiences?.includes(audience) !== true) return undefined;
    const extra = status.user?.extra;
    return { username, node: extra?.[NODE_NAME]?.[0], pod: extra?.[POD_NAME]?.[0] };
  };
}
