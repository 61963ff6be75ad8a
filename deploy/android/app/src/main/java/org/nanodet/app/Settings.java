package org.nanodet.app;

import android.content.Context;
import android.content.SharedPreferences;

/** What the user chose, kept from run to run. */
final class Settings {
    private static final String MODEL = "model";
    private static final String THREADS = "threads";
    private static final String VULKAN = "vulkan";
    private static final String CAMERA = "camera";

    private final SharedPreferences kept;

    Settings(Context context) {
        kept = context.getSharedPreferences("settings", Context.MODE_PRIVATE);
    }

    /** Label of the model, empty before the first choice. */
    String model() {
        return kept.getString(MODEL, "");
    }

    void setModel(String label) {
        kept.edit().putString(MODEL, label).apply();
    }

    /** CPU threads; 0 lets the engine choose. */
    int threads() {
        return kept.getInt(THREADS, 0);
    }

    void setThreads(int threads) {
        kept.edit().putInt(THREADS, threads).apply();
    }

    boolean vulkan() {
        return kept.getBoolean(VULKAN, false);
    }

    void setVulkan(boolean on) {
        kept.edit().putBoolean(VULKAN, on).apply();
    }

    /** Identifier of the camera, empty before the first choice. */
    String camera() {
        return kept.getString(CAMERA, "");
    }

    void setCamera(String id) {
        kept.edit().putString(CAMERA, id).apply();
    }
}
