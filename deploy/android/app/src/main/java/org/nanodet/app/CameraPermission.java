package org.nanodet.app;

import android.Manifest;
import android.app.Activity;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Bundle;
import android.provider.Settings;

/** Asks the user for the camera: once automatically, then on request. */
final class CameraPermission {
    private static final int REQUEST = 1;
    private static final String ASKED = "asked";
    private static final String WAITING = "waiting";

    private final Activity activity;
    private final MessagePanel message;
    private boolean asked;
    private boolean waiting;

    /** @param state what {@link #save} wrote, or null */
    CameraPermission(Activity activity, MessagePanel message, Bundle state) {
        this.activity = activity;
        this.message = message;
        asked = state != null && state.getBoolean(ASKED);
        waiting = state != null && state.getBoolean(WAITING);
    }

    void save(Bundle state) {
        state.putBoolean(ASKED, asked);
        state.putBoolean(WAITING, waiting);
    }

    boolean granted() {
        return activity.checkSelfPermission(Manifest.permission.CAMERA)
                == PackageManager.PERMISSION_GRANTED;
    }

    /** Asks, or says what the user can do after a refusal. */
    void ask() {
        if (waiting) {
            // the question is on the screen
            message.show(activity.getString(R.string.permission_needed));
        } else if (!asked) {
            asked = true;
            message.show(activity.getString(R.string.permission_needed));
            request();
        } else if (activity.shouldShowRequestPermissionRationale(Manifest.permission.CAMERA)) {
            message.show(activity.getString(R.string.permission_needed), R.string.ask,
                    new Runnable() {
                        @Override
                        public void run() {
                            request();
                        }
                    });
        } else {
            // the system asks no more
            message.show(activity.getString(R.string.permission_denied), R.string.settings,
                    new Runnable() {
                        @Override
                        public void run() {
                            openSettings();
                        }
                    });
        }
    }

    /** To be called with the answer. */
    void onAnswer(int[] results) {
        waiting = false;
        if (results.length == 0) {
            // the question was taken away before it was answered
            asked = false;
        }
    }

    private void request() {
        waiting = true;
        activity.requestPermissions(new String[] {Manifest.permission.CAMERA}, REQUEST);
    }

    private void openSettings() {
        activity.startActivity(new Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS,
                Uri.fromParts("package", activity.getPackageName(), null)));
    }
}
