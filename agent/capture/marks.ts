/**
 * SO_MARK of the agent's sockets in pods. The low 12 bits are those of ztunnel's sockets (wire reference 1.1), which
 * rules of others may know. No mark exempts from capture: a pod can set any.
 */
export const AGENT_MARK = 0x539;

/** Tells dials with the client's address from all others: what answers them is routed back to the agent. */
export const REPLY_BIT = 0x1_0000;
export const REPLY_MARK = REPLY_BIT | AGENT_MARK;
