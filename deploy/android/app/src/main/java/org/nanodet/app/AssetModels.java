package org.nanodet.app;

import android.content.Context;
import android.content.pm.PackageManager;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The models that lie in the app's assets, a folder each under {@code models}. */
final class AssetModels implements ModelStore.Source {
    private static final String ROOT = "models";

    private final Context context;

    AssetModels(Context context) {
        this.context = context.getApplicationContext();
    }

    List<Model> list() throws IOException {
        List<Model> models = new ArrayList<>();
        String[] folders = context.getAssets().list(ROOT);
        if (folders != null) {
            Arrays.sort(folders);
            for (String folder : folders) {
                String[] names = context.getAssets().list(ROOT + "/" + folder);
                if (names != null) {
                    models.addAll(Model.in(folder, names));
                }
            }
        }
        return models;
    }

    /** Copies of them, replaced after an update of the app. */
    ModelStore store() {
        long updated = 0;
        try {
            updated = context.getPackageManager()
                    .getPackageInfo(context.getPackageName(), 0).lastUpdateTime;
        } catch (PackageManager.NameNotFoundException impossible) {
            // it is this app's own name
        }
        return new ModelStore(new File(context.getFilesDir(), ROOT), Long.toString(updated));
    }

    @Override
    public InputStream open(Model model, String file) throws IOException {
        return context.getAssets().open(ROOT + "/" + model.folder + "/" + file);
    }
}
