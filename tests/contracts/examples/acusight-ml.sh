# createProvisioningToken 201 APT=data.token
curl -X POST "$API/api/provisioning-tokens" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" -d '{"name": "Line 3"}'

# provisionDevice 201 KEY=data.api_key
curl -X POST "$API/api/devices/provision" -H "Content-Type: application/json" \
  -d "{\"token\": \"$APT\", \"device_info\": {\"device_id\": \"ml-$UNIQUE\"}}"

# uploadDeviceImage 201 ONE=data.image_id
curl -X POST "$API/api/device/images/upload" -H "X-Device-Key: $KEY" -F "image=@$IMAGE;type=image/jpeg"

# uploadDeviceImage 201 OTHER=data.image_id
curl -X POST "$API/api/device/images/upload" -H "X-Device-Key: $KEY" -F "image=@$IMAGE_2;type=image/jpeg"

# createProject 201 PROJECT=data.id
curl -X POST "$API/api/data/projects" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d '{"name": "Doors", "classes": [{"value": "door"}]}'

# getImage 200 BATCH=data.batch_id
curl "$API/api/data/images/$ONE" -H "Authorization: Bearer $ACUSIGHT_JWT"

# updateBatch 200
curl -X PATCH "$API/api/data/batches/$BATCH" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" -d "{\"project_id\": $PROJECT}"

# createAnnotation 201
curl -X POST "$API/api/data/annotations" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"image_id\": $ONE, \"class_value\": \"door\", \"type\": \"bbox\", \"geometry\": [0.5, 0.5, 0.2, 0.1]}"

# createAnnotation 201
curl -X POST "$API/api/data/annotations" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"image_id\": $OTHER, \"class_value\": \"door\", \"type\": \"bbox\", \"geometry\": [0.4, 0.4, 0.2, 0.1]}"

# updateImage 200
curl -X PATCH "$API/api/data/images/$ONE" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d '{"annotation_status": "completed", "split": "train"}'

# updateImage 200
curl -X PATCH "$API/api/data/images/$OTHER" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d '{"annotation_status": "completed", "split": "val"}'

# createDataset 201 DATASET=data.id
curl -X POST "$API/api/data/datasets" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"project_id\": $PROJECT, \"batch_ids\": [$BATCH]}"

# createTrainingJob 201
curl -X POST "$API/api/ml/training-jobs" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"dataset_version_id\": $DATASET, \"hyperparameters\": {\"epochs\": 1}}"

# listTrainingJobs 200
curl "$API/api/ml/training-jobs" -H "Authorization: Bearer $ACUSIGHT_JWT"

# - 200 NX_TOKEN=access_token
curl -X POST "$API/cdb/oauth2/token" -d grant_type=password -d "client_id=$NX_CLIENT" \
  --data-urlencode "username=$NX_USERNAME" --data-urlencode "password=$NX_PASSWORD"

# - 200 FUNCTION=UUID
curl -X POST "$API/cpt/functions" -H "Authorization: Bearer $NX_TOKEN" -F "file=@$MODEL" -F "name=Doors"

# - 200 until Status=ok
curl "$API/cpt/function/$FUNCTION" -H "Authorization: Bearer $NX_TOKEN"

# listModels 200 MODEL_VERSION=data.0.id
curl "$API/api/ml/models" -H "Authorization: Bearer $ACUSIGHT_JWT"

# createExportJob 201
curl -X POST "$API/api/ml/export-jobs" \
  -H "Authorization: Bearer $ACUSIGHT_JWT" -H "Content-Type: application/json" \
  -d "{\"model_version_id\": $MODEL_VERSION, \"format\": \"onnx\"}"
