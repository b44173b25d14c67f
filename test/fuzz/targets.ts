/** All parsers of foreign bytes. */
import { CERTIFICATE_TARGETS } from './certificate-targets.ts';
import { CONSENT_TARGETS } from './consent-targets.ts';
import { CONTROL_TARGETS } from './control-targets.ts';
import { ENGINE_TARGETS } from './engine-targets.ts';
import { HANDOVER_TARGETS } from './handover-targets.ts';
import { KUBERNETES_TARGETS } from './kubernetes-targets.ts';
import { LEASE_TARGETS } from './lease-targets.ts';
import { MEMBERSHIP_TARGETS } from './membership-targets.ts';
import { NAME_TARGETS } from './name-targets.ts';
import { NODE_TARGETS } from './node-targets.ts';
import { OBJECT_TARGETS } from './object-targets.ts';
import { PEER_TARGETS } from './peer-targets.ts';
import { WIRE_TARGETS } from './wire-targets.ts';

export const TARGETS = [...WIRE_TARGETS, ...CERTIFICATE_TARGETS, ...CONSENT_TARGETS, ...CONTROL_TARGETS, ...ENGINE_TARGETS, ...HANDOVER_TARGETS, ...KUBERNETES_TARGETS, ...LEASE_TARGETS, ...MEMBERSHIP_TARGETS, ...NAME_TARGETS, ...NODE_TARGETS, ...OBJECT_TARGETS, ...PEER_TARGETS];
