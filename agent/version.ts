/** Of the agent, as metrics and dumps tell it. */
export const VERSION = '0.1.0';
