/** Detects keys of an input method (Japanese, Chinese, Korean). Pure. */

/** UI Events §5.6: the code of keys that an input method handles. */
const INPUT_METHOD_KEY_CODE = 229;

/**
 * True while an input method composes: Enter then chooses a character. Safari ends the composition before it sends the
 * keydown of that Enter: `isComposing` is false, and only the key code shows it (WebKit bug 165004).
 */
export function isComposingKey(event: Pick<KeyboardEvent, 'isComposing' | 'keyCode'>): boolean {
	return event.isComposing || event.keyCode === INPUT_METHOD_KEY_CODE;
}
