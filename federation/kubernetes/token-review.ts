import type { V1TokenReview } from '@kubernetes/client-node';
import { type ApiServerClient, NEVER } from '@landbridge/kubernetes/api-server-client.ts';
import type { TokenReviewer } from '../ca/token-reviews.ts';

/** Extra claims of bound service account tokens (KEP-4193). */
const NODE_NAME = 'authentication.kubernetes.io/node-name';
const POD_NAME = 'authentication.kubernetes.io/pod-name';

export function tokenReviewer(client: Pick<ApiServerClient, 'create'>): TokenReviewer {
  return async (token, audience) => {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } } satisfies V1TokenReview;
    const { status } = (await client.create('/apis/authentication.k8s.io/v1/tokenreviews', review, NEVER)) as V1TokenReview;
    const username = status?.user?.username;
    if (status?.authenticated !== true || username === undefined || status.audiences?.includes(audience) !== true) return undefined;
    const extra = status.user?.extra;
    return { username, node: extra?.[NODE_NAME]?.[0], pod: extra?.[POD_NAME]?.[0] };
  };
}
