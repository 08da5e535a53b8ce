/** The setting `board`: which of the known boards this unit is on. */
import { isId } from '../base/ids.ts';
import { textThat } from './fields.ts';

export const boardSetting = textThat(
  isId,
  'expected auto or the name of a board, as `starling board` lists them',
)
  .default('auto')
  .describe('which board this is; auto recognises it by what its firmware says of it');
