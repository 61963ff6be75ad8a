package org.nanodet.desktop;

import org.nanodet.NanodetException;

/** What the checks here need of a test framework. */
public final class Check {
    private Check() {}

    public static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    public static void equal(Object found, Object expected, String what) {
        that(expected.equals(found), what + ": " + found + ", not " + expected);
    }

    public static void close(double found, double expected, double tolerance, String what) {
        that(Math.abs(found - expected) <= tolerance, what + ": " + found + ", not " + expected);
    }

    /** Whether something throws a NanodetException of one line that contains a text. */
    public static void refused(Runnable action, String text) {
        try {
            action.run();
        } catch (NanodetException error) {
            String line = error.getMessage();
            that(line.contains(text) && line.indexOf('\n') < 0, "message is: " + line);
            return;
        }
        throw new AssertionError("not refused: " + text);
    }
}
