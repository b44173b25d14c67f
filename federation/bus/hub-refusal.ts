import { AuthorizationError, UserAuthenticationExpiredError } from '@nats-io/transport-node';

/** Whether the hub is there and does not let this user in: one that ended with its JWT, was revoked, or was never known. */
export function isHubRefusal(thrown: unknown): boolean {
  return thrown instanceof AuthorizationError || thrown instanceof UserAuthenticationExpiredError;
}
