/**
 * Recordings of real driver traffic, and their replay on the machine.
 */
export { readRecording } from './read.ts';
export { RecordingError } from './records.ts';
export { type Replay, type ReplayCounts, replayRecording } from './replay.ts';
