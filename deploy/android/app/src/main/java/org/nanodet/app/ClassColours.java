package org.nanodet.app;

/** A colour for each class, the same as in the images that {@code nanodet detect} draws. */
public final class ClassColours {
    private static final double GOLDEN = 0.61803398875;
    private static final double[] SATURATIONS = {0.85, 0.55, 1.0};
    private static final double[] VALUES = {1.0, 0.95, 0.7};

    private ClassColours() {}

    /**
     * Returns 0xAARRGGBB. Hues advance by the golden ratio, so that any number of classes spreads
     * evenly; brightness and saturation alternate.
     */
    public static int of(int classId) {
        double hue = 6 * ((0.02 + classId * GOLDEN) % 1);
        double saturation = SATURATIONS[classId % 3];
        double value = VALUES[classId / 3 % 3];
        return 0xff000000
                | channel(5, hue, saturation, value) << 16
                | channel(3, hue, saturation, value) << 8
                | channel(1, hue, saturation, value);
    }

    /** One channel of an HSV colour, its hue in sixths of a turn; 5 is red, 3 green, 1 blue. */
    private static int channel(int shift, double hue, double saturation, double value) {
        double k = (shift + hue) % 6;
        double amount = Math.max(0, Math.min(1, Math.min(k, 4 - k)));
        return (int) Math.rint(255 * value * (1 - saturation * amount));
    }
}
