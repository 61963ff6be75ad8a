package org.nanodet;

import java.nio.charset.StandardCharsets;

/** Bad input: a file, a model or an image. The message is one line that names it. */
public final class NanodetException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public NanodetException(String line) {
        super(line);
    }

    /** For native code, which speaks UTF-8. */
    NanodetException(byte[] line) {
        this(new String(line, StandardCharsets.UTF_8));
    }
}
