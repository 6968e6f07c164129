/**
 * The language in which protocols are written, and what they mean.
 */
export type { Action, Behaviour, BehaviourBuilder, Fairness, Params, Procedure } from './behaviour.ts';
export type { Bag, MemberSet, Queue, ReadonlyBag, ReadonlyMemberSet, ReadonlyQueue } from './collections.ts';
export {
  bag,
  bool,
  type Domain,
  each,
  type Each,
  type Frozen,
  type Member,
  oneOf,
  optional,
  queue,
  range,
  record,
  setOf,
  type Shape,
  sort,
  type Sort,
  type Value,
} from './domain.ts';
export type { Concrete, Sizes, SortAtSize, Structure } from './concrete.ts';
export { ModelError, type Place, suggest } from './errors.ts';
export {
  type ActionData,
  type Bound,
  type Instance,
  instantiate,
  type Rule,
  type State,
  stateSpaceBound,
} from './instance.ts';
export { enabled, initialStates, type Step, step, successors } from './meaning.ts';
export { type ActionOf, isModel, model, type Model, type SizeContext, type StateOf } from './model.ts';
export {
  type Binding,
  isOverTime,
  isPropertySet,
  properties,
  propertiesOf,
  type Property,
  type PropertyBuilder,
  type PropertyKind,
  type PropertySet,
} from './properties.ts';
export { withoutClockOrChance } from './purity.ts';
export { type EditBuilder, isVariantSet, type Variant, variants, type VariantSet } from './variants.ts';
