/**
 * Scenarios: what is done to a machine step by step, and what comes of it.
 */
export { parseScenario } from './format.ts';
export { machineBoard } from './machine-board.ts';
export { runScenario } from './run.ts';
export { ScenarioError } from './scenario.ts';
